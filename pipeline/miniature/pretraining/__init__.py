"""Pretraining of the tiny CLIP that the miniature profile runs on.

Pictures are drawn in twins, whole and damaged, captioned in plain sentences, and learnt by contrast. Run
`python -m pipeline.miniature.pretraining --seed 7 --out pipeline/miniature/tiny_clip` to make the shipped
weights again. What the pictures are called never names a class of the evaluated data sets.
"""
