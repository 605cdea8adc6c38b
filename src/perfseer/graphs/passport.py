"""Everything the project knows of an operator by its name: one row each, in the vocabulary's order.

Capture, autocast, the memory model, the ONNX reader, fusion and features ask the rows (`vocabulary`) and keep
no lists of names. So a new operator is a row at the end of `PASSPORTS`, `Passport.since` one above the last
version. What only one operator does (indices of a max pool, width of a linear layer) stays with whoever
computes it.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from perfseer.graphs import arguments
from perfseer.graphs.arguments import Describer

# Convolutions and matrix products; attention and its softmax; element by element; one element from many, or
# by what many have in common; elements moved, not computed.
_Work = Literal["product", "scores", "pointwise", "reduction", "movement"]
# Under autocast: 16 bits whatever it is given; 32 bits; the widest of its operands, weights among them.
# Without one of these, as the tensors it reads.
_Width = Literal["narrow", "wide", "promotes"]
# What autograd keeps. Operands not if there is one and no weight, where the other is a number then.
_Saved = Literal["saves_operands", "not_beside_numbers", "saves_result"]
# Networks let it overwrite what it reads; it may follow within a kernel, since it keeps the shape; a compiler
# joins it with its neighbours into one kernel; what follows needs all of its result first.
_Fused = Literal["in_place", "follows", "joins", "shrinks"]
# An image or a vector to ONNX, whatever it reads. Without one of these, as what it reads.
_Made = Literal["makes_image", "makes_vector"]
Trait = _Work | _Width | _Saved | _Fused | _Made


@dataclass(frozen=True)
class Passport:
    """One operator of the vocabulary. Names stand in one text, parted by blanks.

    Attributes:
        name: in the vocabulary.
        traits: what holds of it.
        aten: ATen operators that are this one, without overload and the underscore of in-place variants;
            those of another namespace with it, as in ``torchvision.nms``.
        describers: by ATen name, how arguments tell hyper-parameters, or that it is another operator.
        gathers: ATen operators that read of their first argument only what they return.
        fills: those that take shape and type of their argument, not its contents.
        overwrites: those, in place, that do not read what they overwrite.
        statistics: those whose outputs after the first are statistics that only training keeps.
        onnx: ONNX operators; the first one is written. ``Neg=neg`` runs as torch's function of that name, on
            all its tensors, ``Elu=elu(alpha=1.0)`` also on attributes behind the first; the others have
            handlers in `graphs.onnx.operators` or are foreign there. ``Conv:.wv`` tells stored arguments: w
            weights, v a vector of weights that no other operator has, s statistics likewise.
        narrow_functions: operators, overload after a dot, that autocast runs in 16 bits.
        wide_functions: those it runs in 32.
        widened_functions: those that read what they are given and write 32 bits.
        promoted_functions: those that run in the widest type of their operands.
        since: version of the vocabulary that has it first.
    """

    name: str
    traits: tuple[Trait, ...]
    _: KW_ONLY
    aten: str = ""
    describers: Mapping[str, Describer] = field(default_factory=dict)
    gathers: str = ""
    fills: str = ""
    overwrites: str = ""
    statistics: str = ""
    onnx: str
    narrow_functions: str = ""
    wide_functions: str = ""
    widened_functions: str = ""
    promoted_functions: str = ""
    since: int = 1


def _each(names: str, describe: Describer) -> dict[str, Describer]:
    return dict.fromkeys(names.split(), describe)


PASSPORTS: tuple[Passport, ...] = (
    Passport("other", ("promotes", "joins"), onnx="Other"),
    # PerfSeer's ten (METHODS 1.1), in ONNX's words; the tenth, Flatten, is a view and so no node.
    Passport(
        "conv",
        ("product", "narrow", "saves_operands", "makes_image"),
        aten="convolution _convolution cudnn_convolution mkldnn_convolution _slow_conv2d_forward"
        " convolution_overrideable _conv_depthwise2d conv_depthwise3d slow_conv3d_forward",
        describers=_each("convolution _convolution convolution_overrideable", arguments.convolution),
        onnx="Conv:.wv ConvTranspose:.wv DeformConv:.w.v QLinearConv:.ss.ssss ConvInteger"
        " com.microsoft.QLinearConv:.ss.ssss",
        narrow_functions="_convolution.deprecated _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d"
        " conv_transpose2d.input conv_transpose3d.input convolution",
        wide_functions="deform_conv2d",
    ),
    Passport("relu", ("pointwise", "saves_result", "in_place", "joins", "follows"), aten="relu", onnx="Relu"),
    Passport(
        "batch_norm",
        ("pointwise", "saves_operands", "joins", "follows"),
        aten="native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training"
        " cudnn_batch_norm miopen_batch_norm _batch_norm_with_update _batch_norm_no_update batch_norm_elemt",
        statistics="native_batch_norm _native_batch_norm_legit cudnn_batch_norm",
        onnx="BatchNormalization:.vvss",
    ),
    Passport(
        "concat", ("movement", "promotes"), aten="cat stack", onnx="Concat com.microsoft.QLinearConcat:ss"
    ),
    Passport(
        "avg_pool",
        ("reduction", "makes_image"),
        aten="avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d",
        describers=_each("avg_pool2d avg_pool3d", arguments.pool("avg_pool", 4))
        | _each("_adaptive_avg_pool2d _adaptive_avg_pool3d", arguments.adaptive_pool("avg_pool")),
        onnx="AveragePool com.microsoft.QLinearAveragePool:.ssss",
    ),
    Passport(
        "global_avg_pool",
        ("reduction", "joins", "shrinks", "makes_image"),
        onnx="GlobalAveragePool com.microsoft.QLinearGlobalAveragePool:.ssss",
    ),
    Passport(
        "linear",
        ("product", "narrow", "saves_operands", "makes_vector"),
        aten="linear mkldnn_linear",
        describers={"linear": arguments.aten_linear},
        onnx="Gemm:.wv perfseer.Linear:.wv com.microsoft.QGemm:.ss.ss.ss com.microsoft.MatMulNBits:..ss"
        " com.microsoft.MatMulBnb4:..s",
        narrow_functions="linear",
    ),
    Passport(
        "max_pool",
        ("reduction", "saves_operands", "makes_image"),
        aten="max_pool2d_with_indices max_pool3d_with_indices max_pool2d mkldnn_max_pool2d"
        " adaptive_max_pool2d adaptive_max_pool3d",
        describers=_each("max_pool2d_with_indices max_pool3d_with_indices", arguments.pool("max_pool", 5))
        | _each("adaptive_max_pool2d adaptive_max_pool3d", arguments.adaptive_pool("max_pool")),
        onnx="MaxPool GlobalMaxPool",
    ),
    Passport(
        "add",
        ("pointwise", "promotes", "joins"),
        aten="add",
        describers={"add": arguments.with_tensor("add")},
        onnx="Add Sum com.microsoft.QLinearAdd:.ss.ssss",
    ),
    # Beyond the PerfSeer space.
    Passport(
        "matmul",
        ("product", "narrow", "saves_operands", "makes_vector"),
        aten="mm addmm bmm baddbmm mv addmv dot vdot addbmm addr _scaled_mm _addmm_activation _trilinear"
        " _euclidean_dist _int_mm _grouped_mm _scaled_grouped_mm _weight_int8pack_mm _weight_int4pack_mm",
        describers={"mm": arguments.mm, "addmm": arguments.addmm},
        onnx="MatMul:ww QLinearMatMul:.ss.ssss MatMulInteger com.microsoft.MatMulInteger16"
        " com.microsoft.MatMulIntegerToFloat:..ssssv com.microsoft.DynamicQuantizeMatMul:..ssv",
        narrow_functions="matmul mm mv bmm addmm addmv addr addbmm baddbmm chain_matmul linalg_multi_dot"
        " linalg_vecdot einsum _thnn_fused_lstm_cell _thnn_fused_gru_cell gru_cell lstm_cell rnn_tanh_cell"
        " rnn_relu_cell lstm.input lstm.data gru.input gru.data rnn_tanh.input rnn_tanh.data rnn_relu.input"
        " rnn_relu.data",
        promoted_functions="bilinear dot vdot tensordot",
    ),
    Passport(
        "attention",
        ("scores", "narrow", "saves_operands", "saves_result", "makes_vector"),
        aten="scaled_dot_product_attention _scaled_dot_product_flash_attention"
        " _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
        " _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_fused_attention_overrideable"
        " _flash_attention_forward _efficient_attention_forward _native_multi_head_attention",
        onnx="Attention perfseer.Attention",
        narrow_functions="scaled_dot_product_attention _scaled_dot_product_flash_attention",
    ),
    Passport(
        "layer_norm",
        ("reduction", "wide", "saves_operands", "joins"),
        aten="native_layer_norm _fused_rms_norm",
        onnx="LayerNormalization:.vv RMSNormalization:.v SimplifiedLayerNormalization:.w",
        wide_functions="layer_norm native_layer_norm rms_norm",
    ),
    Passport(
        "group_norm",
        ("reduction", "wide", "saves_operands", "joins"),
        aten="native_group_norm",
        onnx="GroupNormalization:.vv InstanceNormalization:.vv perfseer.GroupNorm:.vv",
        wide_functions="group_norm",
    ),
    Passport(
        "activation",
        ("pointwise", "saves_operands", "in_place", "joins", "follows"),
        aten="gelu silu sigmoid tanh hardswish hardsigmoid hardtanh leaky_relu elu celu selu mish softplus"
        " softshrink hardshrink _prelu_kernel prelu glu log_sigmoid_forward threshold relu6 rrelu_with_noise"
        " clamp clamp_min clamp_max",
        onnx="Activation Sigmoid=sigmoid Tanh=tanh Gelu HardSwish=hardswish HardSigmoid=hardsigmoid"
        " LeakyRelu=leaky_relu(alpha=0.01) Elu=elu(alpha=1.0) Celu=celu(alpha=1.0) Selu=selu Mish=mish"
        " Softplus=softplus Softsign=softsign PRelu:.w ThresholdedRelu"
        " Shrink=softshrink(lambd=0.5) Clip Swish=silu Silu=silu QuickGelu=silu"
        " com.microsoft.QLinearSigmoid:.ssss com.microsoft.QLinearLeakyRelu:.ssss",
        narrow_functions="prelu",
        wide_functions="softplus",
    ),
    Passport(
        "softmax",
        ("scores", "wide", "saves_result", "joins"),
        aten="_softmax _log_softmax _safe_softmax",
        onnx="Softmax LogSoftmax com.microsoft.QLinearSoftmax:.ssss",
        widened_functions="softmax.int log_softmax.int",
    ),
    Passport(
        "mul",
        ("pointwise", "promotes", "saves_operands", "not_beside_numbers", "joins"),
        aten="mul",
        describers={"mul": arguments.with_tensor("mul")},
        onnx="Mul com.microsoft.QLinearMul:.ss.ssss",
    ),
    Passport(
        "elementwise",
        ("pointwise", "promotes", "saves_operands", "not_beside_numbers", "joins"),
        aten="sub rsub div neg exp exp2 expm1 log log1p log2 log10 sqrt rsqrt pow square abs where"
        " masked_fill maximum minimum eq ne lt le gt ge logical_and logical_or logical_not logical_xor"
        " bitwise_and bitwise_or bitwise_not bitwise_xor reciprocal sin cos tan atan atan2 erf erfc floor"
        " ceil round trunc frac remainder fmod floor_divide lerp addcmul addcdiv sign sgn isnan isinf"
        " isfinite nan_to_num xlogy sinh cosh asin acos asinh acosh atanh _weight_norm_interface",
        onnx="Elementwise Sub Div Neg=neg Exp=exp Log=log Sqrt=sqrt Pow Abs=abs Where Max Min Equal Less"
        " LessOrEqual Greater GreaterOrEqual And=logical_and Or=logical_or Not=logical_not Xor=logical_xor"
        " Reciprocal=reciprocal Sin=sin Cos=cos Tan=tan Asin=asin Acos=acos Atan=atan Sinh=sinh Cosh=cosh"
        " Asinh=asinh Acosh=acosh Atanh=atanh Erf=erf Floor=floor Ceil=ceil Round=round Mod Sign=sign"
        " IsNaN=isnan IsInf=isinf"
        " QuantizeLinear:.ss DequantizeLinear:.ss DynamicQuantizeLinear com.microsoft.QuantizeLinear:.ss"
        " com.microsoft.DequantizeLinear:.ss com.microsoft.QLinearWhere RotaryEmbedding:.ss"
        " com.microsoft.RotaryEmbedding:..ss"
        " BitShift BitwiseAnd=bitwise_and BitwiseOr=bitwise_or BitwiseXor=bitwise_xor BitwiseNot=bitwise_not",
        wide_functions="acos asin cosh erfinv exp expm1 log log10 log1p log2 pow.Tensor_Scalar"
        " pow.Tensor_Tensor pow.Scalar reciprocal renorm rsqrt sinh tan",
        promoted_functions="addcdiv addcmul atan2 cross",
    ),
    Passport(
        "reduce",
        ("reduction", "wide", "joins", "shrinks"),
        aten="mean sum amax amin max min var std var_mean std_mean prod argmax argmin norm"
        " linalg_vector_norm cumsum cumprod logsumexp any all count_nonzero _cdist_forward aminmax",
        describers={"mean": arguments.mean},
        onnx="Reduce ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum"
        " ReduceLogSumExp ReduceSumSquare ArgMax=argmax(axis=0,keepdims=True)"
        " ArgMin=argmin(axis=0,keepdims=True) CumSum com.microsoft.QLinearReduceMean:.ssss",
        wide_functions="cdist cosine_similarity dist pdist logsumexp frobenius_norm.dim nuclear_norm"
        " nuclear_norm.dim",
        widened_functions="prod prod.dim_int cumprod cumsum linalg_vector_norm linalg_matrix_norm"
        " linalg_matrix_norm.str_ord sum sum.dim_IntList norm.Scalar norm.ScalarOpt_dim",
    ),
    Passport(
        "copy",
        ("movement", "joins"),
        aten="clone copy _to_copy constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d"
        " replication_pad2d repeat roll flip tril triu zeros ones full arange linspace zeros_like ones_like"
        " full_like new_zeros new_ones new_full fill zero scalar_tensor eye pixel_shuffle pixel_unshuffle"
        " channel_shuffle im2col col2im rand randn randint rand_like randn_like normal uniform bernoulli"
        " exponential random _pack_padded_sequence",
        fills="ones_like zeros_like full_like rand_like randn_like randint_like new_zeros new_ones new_full",
        overwrites="copy_ fill_ zero_ bernoulli_ normal_ uniform_ random_ exponential_",
        onnx="Copy Pad Tile Cast CastLike Transpose DepthToSpace=pixel_shuffle(blocksize=1)"
        " SpaceToDepth=pixel_unshuffle(blocksize=1) Constant ConstantOfShape EyeLike=zeros_like Range Trilu"
        " RandomNormal RandomNormalLike RandomUniform RandomUniformLike perfseer.Roll",
    ),
    Passport(
        "embedding",
        ("movement", "wide", "saves_operands", "makes_vector"),
        aten="embedding _embedding_bag _embedding_bag_forward_only",
        gathers="embedding",
        onnx="Gather:w com.microsoft.GatherBlockQuantized:..ss",
    ),
    Passport(
        "index",
        ("movement", "promotes", "saves_operands", "joins"),
        aten="index index_select gather scatter scatter_add scatter_reduce index_put index_add index_copy"
        " index_fill masked_select topk sort nonzero take slice_scatter select_scatter masked_scatter"
        " bucketize searchsorted unique_consecutive _unique2",
        gathers="index index_select gather take",
        onnx="GatherElements=gather(axis=0) GatherND ScatterElements=scatter(axis=0) ScatterND TopK NonZero"
        " Unique",
        promoted_functions="index_put scatter_add",
    ),
    Passport(
        "resize",
        ("movement", "wide"),
        aten="upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d"
        " upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa"
        " _upsample_nearest_exact2d grid_sampler_2d grid_sampler_3d",
        onnx="Resize Upsample GridSample",
        wide_functions="upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d"
        " _upsample_nearest_exact2d upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d"
        " upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d upsample_bicubic2d"
        " _upsample_bicubic2d_aa roi_align roi_pool ps_roi_align ps_roi_pool nms",
        promoted_functions="grid_sampler",
    ),
    Passport(
        "loss",
        ("reduction", "wide"),
        aten="nll_loss_forward nll_loss2d_forward mse_loss smooth_l1_loss huber_loss binary_cross_entropy"
        " soft_margin_loss kl_div _ctc_loss",
        onnx="SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss",
        wide_functions="cosine_embedding_loss hinge_embedding_loss kl_div l1_loss margin_ranking_loss"
        " mse_loss multilabel_margin_loss multi_margin_loss nll_loss nll_loss2d poisson_nll_loss"
        " smooth_l1_loss huber_loss soft_margin_loss triplet_margin_loss binary_cross_entropy_with_logits",
    ),
)
