"""NAS-Bench-201 latencies: 15,625 networks that differ in one cell, each timed on several devices.

Files: the repository of HELP (Lee et al., 2021), which measured them; they state no licence, so they are
fetched and never redistributed. BRP-NAS (Dudziak et al., 2020; METHODS 3) was published on this space.

A cell has four states and an operation on each of the six edges between them; a network repeats it fifteen
times. Two readings of a cell are offered (`graphs`):

- ``pruned``, BRP-NAS's: zeros and skips removed, then whatever no longer lies between input and output. Cells
  whose output is cut off from the input are left out; 15,284 remain, as published.
- ``executed``: what the device ran. PyTorch in eager mode runs the operation of every edge, whether or not
  its result is used, and multiplies by zero where the edge is ``none``; the phone's converted graph keeps
  what leads to the output. No publisher says so: it is what the latencies show (`studies/nasbench201`).
"""
