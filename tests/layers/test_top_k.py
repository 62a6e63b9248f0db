import math

import pytest
import torch

from irbox.layers.top_k import top_k_weights


def column(*scores):
    return torch.tensor(scores).view(1, -1, 1, 1)


def test_only_selected_experts_count():
    weights = top_k_weights(column(3.0, 1.0, 2.0), top_k=2).flatten()
    assert weights[1].item() == 0
    assert weights[0].item() == pytest.approx(1 / (1 + math.exp(-1)))
    assert weights.sum().item() == pytest.approx(1)


def test_printed_form_gives_every_expert_a_weight():
    weights = top_k_weights(column(3.0, -1.0, 2.0), 2, 'printed').flatten()
    total = math.exp(3) + math.exp(0) + math.exp(2)
    assert weights.tolist() == pytest.approx([math.exp(s) / total for s in (3, 0, 2)])


@pytest.mark.parametrize('normalize', ['selected', 'printed'])
@pytest.mark.parametrize('top_k', [1, 2, 5])
def test_pixel_by_pixel(normalize, top_k):
    scores = torch.randn(2, 5, 3, 4)
    weights = top_k_weights(scores, top_k, normalize)
    for b in range(2):
        for i in range(3):
            for j in range(4):
                pixel = scores[b, :, i, j].tolist()
                best = sorted(range(5), key=lambda n: -pixel[n])[:top_k]  # noqa: B023
                kept = {n: math.exp(pixel[n]) for n in best}
                if normalize == 'printed':
                    kept = {n: kept.get(n, 1.0) for n in range(5)}
                wanted = [kept.get(n, 0.0) / sum(kept.values()) for n in range(5)]
                assert weights[b, :, i, j].tolist() == pytest.approx(wanted, abs=1e-6)


def test_float32_for_half_scores():
    weights = top_k_weights(torch.randn(1, 4, 2, 2).bfloat16(), 2)
    assert weights.dtype == torch.float32


def test_gradient_reaches_the_selected_scores_only():
    scores = torch.tensor([3.0, 1.0, 2.0]).view(1, 3, 1, 1).requires_grad_()
    top_k_weights(scores, 2)[0, 0].sum().backward()
    gradient = scores.grad.flatten()
    weight = 1 / (1 + math.exp(-1))
    slope = weight * (1 - weight)
    assert gradient.tolist() == pytest.approx([slope, 0, -slope])
