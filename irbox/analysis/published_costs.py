"""What the papers print of cost, number by number; nothing here was measured by irbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedCosts:
    """The rows of a paper's table of cost."""

    label: str
    """Where they stand."""
    setting: str
    columns: tuple[str, ...]
    """Keys of ``irbox.analysis.cost.Cost.row``, in the order of the numbers."""
    rows: tuple[tuple[str, *tuple[float, ...]], ...]
    """Method, then its numbers."""
    with_prior: tuple[str, ...] = ()
    """Methods whose parameters and multiply-accumulates hold those of a pretrained prior."""


PUBLISHED = {
    'm2ir_13': PublishedCosts(
        'M2IR, Table XIII',
        '720x480, RTX 4090',
        ('parameters_M', 'papers_GMACs', 'latency_ms', 'process_MB', 'device_MB'),
        (
            ('IDR', 42.3, 1522, 384, 1387, 6952),
            ('PromptIR', 34.1, 745, 282, 1242, 3127),
            ('GridFormer', 34.1, 1941, 746, 1355, 3830),
            ('Pool-AIO', 26.1, 745, 293, 1246, 3096),
            ('AdaIR', 28.8, 778, 333, 1296, 3110),
            ('MoCE-IR', 25.4, 474, 263, 1312, 1253),
            ('MEASNet', 31.7, 892, 349, 1699, 3228),
            ('Perceive-IR', 181.2, 1188, 399, 1996, 4194),
            ('Perceive-IR (w/o CLIP)', 30.0, 1176, 387, 2015, 3607),
            ('M2IR', 285.3, 975, 339, 3262, 4103),
            ('M2IR (w/o DA-CLIP)', 39.1, 961, 330, 1607, 3149),
        ),
        with_prior=('Perceive-IR', 'M2IR'),
    ),
    'm2restore_3': PublishedCosts(
        'M2Restore, Table III',
        '224x224, RTX 3090',
        ('latency_ms',),
        (
            ('All-in-one', 330),
            ('MPRNet', 180),
            ('SwinIR', 270),
            ('Restormer', 180),
            ('WeatherDiff', 58160),
            ('PromptIR', 440),
            ('APM', 330),
            ('MoFME', 210),
            ('GridFormer', 1430),
            ('MWFormer', 330),
            ('AdaIR', 130),
            ('M2Restore', 170),
        ),
    ),
}
"""Name -> table. The papers call multiply-accumulates FLOPs, and print M2Restore's times in seconds
with two decimals."""
