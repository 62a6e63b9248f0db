import pytest
import torch

from irbox.restore import devices
from irbox.restore.devices import choose_device, choose_precision, computing_in

CPU = torch.device('cpu')


def test_auto_is_the_accelerator_or_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: False)
    assert choose_device('auto') == CPU
    with pytest.raises(ValueError, match=r"'cuda' is not here. Here: auto, cpu\."):
        choose_device('cuda')
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: True)
    monkeypatch.setattr(torch.accelerator, 'device_count', lambda: 2)
    for kind in ('cuda', 'xpu', 'mps'):
        found = torch.device(kind)
        monkeypatch.setattr(torch.accelerator, 'current_accelerator', lambda found=found: found)
        assert choose_device('auto').type == kind
        assert choose_device('cpu') == CPU
        assert choose_device(f'{kind}:1').index == 1
        with pytest.raises(ValueError, match='is not here'):
            choose_device(f'{kind}:2')


def test_bfloat16_needs_a_check_and_instructions(monkeypatch):
    monkeypatch.setattr(devices, 'multiplies_bfloat16', lambda device: True)
    assert choose_precision('auto', CPU, checked=True)[0] == torch.bfloat16
    assert choose_precision('auto', CPU, checked=False)[0] == torch.float32
    assert choose_precision('fp32', CPU, checked=True)[0] == torch.float32
    monkeypatch.setattr(devices, 'multiplies_bfloat16', lambda device: False)
    dtype, why = choose_precision('auto', CPU, checked=True)
    assert dtype == torch.float32
    assert 'does not multiply bfloat16' in why
    assert choose_precision('fp16', CPU, checked=False)[0] == torch.float16


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_what_is_computed_in(dtype):
    with computing_in(CPU, dtype):
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == dtype
