import torch
from torch.nn import functional as F

from irbox.priors import PromptBank
from irbox.testing import check_prior


def test_equals_the_equations():
    bank = PromptBank(num_prompts=5, prompt_dim=7, hidden=6)
    image = torch.rand(2, 3, 22, 31)
    maps = image
    convs = [layer for layer in bank.convs if isinstance(layer, torch.nn.Conv2d)]
    for number, conv in enumerate(convs):
        maps = F.conv2d(maps, conv.weight, conv.bias, stride=3 if number < 2 else 1)
        if number < len(convs) - 1:
            maps = torch.where(maps > 0, maps, 0.1 * maps)
    for index in range(2):
        pooled = maps[index].mean((1, 2))
        logits = bank.attention.weight @ pooled + bank.attention.bias
        chosen = sum(
            share * prompt for share, prompt in zip(logits.softmax(0), bank.prompts, strict=True)
        )
        wanted = chosen * 0.5 * (1 + torch.erf(chosen / 2**0.5))
        torch.testing.assert_close(bank(image)[index], wanted, atol=1e-6, rtol=1e-5)


def test_published_sizes_and_parameter_count():
    bank = PromptBank()
    assert bank.prompt_dim == 256 and bank.prompts.shape == (32, 256)
    assert sum(p.numel() for p in bank.parameters()) == 58_368


def test_images_that_are_too_small_are_extended_by_their_border():
    bank = PromptBank(num_prompts=4, prompt_dim=6, hidden=4)
    image = torch.rand(1, 3, 4, 20)
    extended = torch.cat([image, image[:, :, -1:].expand(-1, -1, 5, -1)], dim=2)
    torch.testing.assert_close(bank(image), bank(extended))


def test_keeps_its_contract_at_another_size():
    check_prior(PromptBank, num_prompts=4, prompt_dim=6, hidden=5)
