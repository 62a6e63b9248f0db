"""Gives the label loss of embedded.py, which base.py takes away: so may rows, on either base."""

_base_ = ['../../m2ir_derain.py']

model = dict(losses=dict(label=dict(type='DegradationLabelLoss', names=['rain'])))
