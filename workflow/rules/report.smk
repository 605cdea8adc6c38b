# Every document is Markdown, its twin for browsers, figures and the tables behind them: studies/<study>/about.py
# says what it consists of, the study's rule file what it is rendered from, and one verb renders each.

for study in READS:

    rule:
        name:
            f"render_{study}"
        input:
            **READS[study],
        output:
            **reported_files(study),
        log:
            f"logs/render_report/{study}.log",
        conda:
            "../envs/perfseer.yaml"
        params:
            document=shelf.about(study).document.name,
            folder=subpath(output.markdown, parent=True),
            config=sections(*config),
            code=code_digest(*shelf.rendering(study, (*PREDICTORS, *ENSEMBLES))),
        message:
            "Rendering {output.markdown}"
        shell:
            "perfseer report {params.document} --params {params.config:q} --out {params.folder} 2> {log}"
