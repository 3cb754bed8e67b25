"""Reference steps of Adam with an L2 penalty in the gradient, and of gradient clipping, from PyTorch.

Command:    python golden.py        (rewrites golden/adam.safetensors beside this file, the same bytes every time)
Versions:   torch 2.15, safetensors 0.6 or later; CPU, float32, one thread
Seed:       11
Tolerance:  1e-6 relative to the root mean square of each reference tensor

Tensors: `weight.S` and `bias.S` before step S (0 to 6); `gradient.weight.S`, `gradient.bias.S`, the latter missing in
step 2, where the parameter has no gradient. Learning rate 1e-2 times 0.5 from step 3 on, penalty 1e-1, and from step 5 on
gradients clipped to a norm of 1.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "golden"


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(11)
    weight = torch.randn((5, 7), generator=generator).requires_grad_()
    bias = torch.randn(7, generator=generator).requires_grad_()
    adam = torch.optim.Adam([weight, bias], lr=1e-2, weight_decay=1e-1)
    tensors = {}
    for step in range(6):
        tensors |= {f"weight.{step}": weight.detach().clone(), f"bias.{step}": bias.detach().clone()}
        weight.grad = torch.randn((5, 7), generator=generator)
        bias.grad = torch.randn(7, generator=generator) if step != 2 else None
        tensors[f"gradient.weight.{step}"] = weight.grad.clone()
        if bias.grad is not None:
            tensors[f"gradient.bias.{step}"] = bias.grad.clone()
        if step >= 5:
            torch.nn.utils.clip_grad_norm_([weight, bias], 1.0)
        adam.param_groups[0]["lr"] = 1e-2 * (0.5 if step >= 3 else 1.0)
        adam.step()
    tensors |= {"weight.6": weight.detach(), "bias.6": bias.detach()}
    OUT.mkdir(exist_ok=True)
    save_file(tensors, OUT / "adam.safetensors")


if __name__ == "__main__":
    main()
