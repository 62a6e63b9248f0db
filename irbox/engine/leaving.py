"""Why a training leaves before its end, each with an exit code of its own."""

from __future__ import annotations


class DivergenceError(FloatingPointError):
    """Weights, or too many gradients in a row, are not finite: nobody can go on from here.

    Args:
        what: Happened, a sentence without its end.
        remedy: What to do.
    """

    exit_code = 3

    def __init__(
        self,
        what: str,
        remedy: str = 'Lower the learning rate, warm up longer, or clip gradients '
        '(optim_wrapper.clip_grad.max_norm); then resume from the last checkpoint.',
    ) -> None:
        super().__init__(f'The training diverged: {what}. {remedy}')


class ValidationStopped(Exception):  # noqa: N818  # it is no error
    """A validation was left for a signal; the resumed training makes up for it."""
