"""Reference tensors of the SDUMC network, from a PyTorch module written from its description.

Command:    python golden.py        (rewrites golden/ beside this file, the same bytes every time; golden/loss/ too, by
            golden_loss.py)
Versions:   torch 2.15, safetensors 0.6 or later; CPU, float32, one thread
Seed:       7 for weights and features
Tolerance:  1e-4 relative to the root mean square of each reference tensor

Files:
  residual-ae.weights.safetensors   all parameters under their released names, the unused ones too
  equation.weights.safetensors      the same with the imagination of equations 5 and 6, names prefixed as by a trainer
  COMPAT_MIA.safetensors            one network's intermediate tensors, both flows (`complete.`, `missing.`)
  inputs.safetensors                the batch: three clips of different lengths, padding not zero
Metadata `config` is the configuration as JSON.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

OUT = Path(__file__).parent / "golden"
WIDTHS = {"audio": 24, "text": 40, "video": 16}
DIM = 16
LENGTHS = {"audio": [9, 4, 6], "text": [3, 5, 1], "video": [2, 7, 7]}
NAMES = list(WIDTHS)
VIEWS = ["fused", "at", "tv", "av", "audio", "text", "video"]


def mlp(*widths):
    steps = []
    for inputs, outputs in zip(widths, widths[1:]):
        steps += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*steps)


def over_time(scores, valid):
    """Softmax over dimension 1 of (b, t, n), where `valid` (b, t), if any, is true."""
    if valid is not None:
        scores = scores.masked_fill(~valid.unsqueeze(-1), float("-inf"))
    return torch.softmax(0.3 * scores, dim=1)


class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_context_vector = nn.Parameter(torch.empty(1, DIM))
        self.input_proj = nn.Linear(DIM, DIM)

    def forward(self, x, valid):
        scores = torch.tanh(self.input_proj(x)) @ self.attention_context_vector[0]
        return (over_time(scores.unsqueeze(-1), valid) * x).sum(1)


class Cross(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_proj = nn.Linear(DIM, DIM)
        self.query_proj = nn.Linear(DIM, DIM)

    def forward(self, queries, x, valid):
        scores = torch.einsum("btd,bnd->btn", torch.tanh(self.input_proj(x)), self.query_proj(queries))
        return torch.einsum("btn,btd->bnd", over_time(scores, valid), x)


class ResidualAe(nn.Module):
    def __init__(self, d, h, residual):
        super().__init__()
        self.transition = nn.Sequential(nn.Linear(3 * d, d), nn.ReLU(), nn.Linear(d, d))
        self.encoder_0 = nn.Sequential(nn.Linear(d, h))
        self.decoder_0 = nn.Sequential(nn.Linear(h, d))
        self.residual = residual

    def forward(self, a, t, v):
        joint = self.transition(torch.cat([a, t, v], -1))
        return self.decoder_0(self.encoder_0(joint)) + (t if self.residual == "text" else joint)


class Equation(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.w1 = nn.Linear(3 * d, h)
        self.w2 = nn.Linear(h, d)

    def forward(self, a, t, v):
        return t + torch.relu(self.w2(torch.relu(self.w1(torch.cat([v, a, t], -1)))))


class Fusion(nn.Module):
    def __init__(self, compat, mia):
        super().__init__()
        self.compat, self.mia, half = compat, mia, DIM // 2
        for m, name in enumerate(NAMES):
            setattr(self, f"frame_dim_reshape_{m}", nn.Linear(WIDTHS[name], DIM))
            setattr(self, f"fra2utt_{m}", Pool())
            setattr(self, f"{name}_mlp", mlp(DIM, DIM, DIM))
            setattr(self, f"cross_att_fra2utt_{m}", Cross())
            setattr(self, f"cross_{name}_mlp", mlp(DIM, DIM, half))
        for view in VIEWS:
            setattr(self, f"cross_{view}_query_mlp", mlp(DIM, DIM))
        self.attention_mlp, self.fc_att = mlp(3 * DIM, DIM, DIM), nn.Linear(DIM, 3)
        self.cross_attention_mlp, self.cross_fc_att = mlp(7 * half, DIM, half), nn.Linear(half, 7)
        self.fc_out_v = nn.Linear(half, 1)
        self.orgin_linear_change = nn.Sequential(nn.Linear(half, DIM // 4), nn.ReLU(), nn.Linear(DIM // 4, DIM // 4))
        if mia == "equation":
            first, second = Equation(DIM, half), Equation(half, DIM // 4)
        else:
            first, second = ResidualAe(DIM, half, mia), ResidualAe(half, DIM // 4, mia)
        self.missing_text_imagination_mlp, self.missing_cross_text_query_imagination_mlp = first, second
        # In the released checkpoint, used by nothing.
        self.fc_out_e, self.fc_out_ev = nn.Linear(half, 1), nn.Linear(1, 1)
        self.prelu, self.layer_normali = nn.PReLU(6), nn.LayerNorm(DIM)
        self.normali = nn.BatchNorm1d(half)

    def of(self, pattern, *values):
        return [getattr(self, pattern.format(m, m=m, name=name))(*[v[m] for v in values]) for m, name in enumerate(NAMES)]

    def forward(self, inputs, missing, lengths=None):
        lengths = lengths or LENGTHS
        imagine = missing and self.mia != "off"
        valid, rows = [], []
        for name in NAMES:
            x = inputs[name]
            real = torch.arange(x.shape[1])[None] < torch.tensor(lengths[name])[:, None]
            rows.append(torch.where(real.unsqueeze(-1), x, torch.zeros_like(x)))
            valid.append(real if self.compat == "paper" else None)
        frames = self.of("frame_dim_reshape_{m}", rows)
        h = self.of("{name}_mlp", self.of("fra2utt_{m}", frames, valid))
        if imagine:
            h[1] = self.missing_text_imagination_mlp(*h)
        a, t, v = h
        weights = self.fc_att(self.attention_mlp(torch.cat(h, 1)))
        wa, wt, wv = weights.unsqueeze(-1).unbind(1)
        views = [wa * a + wt * t + wv * v, wa * a + wt * t, wt * t + wv * v, wa * a + wv * v]
        views += [wa * a, wt * t, wv * v] if self.compat == "paper" else h
        queries = torch.stack([getattr(self, f"cross_{n}_query_mlp")(x) for n, x in zip(VIEWS, views)], 1)
        c = self.of("cross_{name}_mlp", self.of("cross_att_fra2utt_{m}", [queries] * 3, frames, valid))
        if imagine:
            c[1] = self.missing_cross_text_query_imagination_mlp(*c)
        summed = sum(w.unsqueeze(-1) * x for w, x in zip((wa, wt, wv), c))
        view_weights = self.cross_fc_att(self.cross_attention_mlp(summed.flatten(1)))
        r = (summed * view_weights.unsqueeze(-1)).sum(1)
        steps = {f"frames.{n}": x for n, x in zip(NAMES, frames)}
        steps |= {f"cross.{n}": x for n, x in zip(NAMES, c)}
        lengths = weights.abs() * torch.stack(h, 1).norm(dim=-1)
        return steps | {
            "hidden": torch.stack(h, 1),
            "weights": weights,
            "queries": queries,
            "summed": summed,
            "view_weights": view_weights,
            "r": r,
            "valence": self.fc_out_v(r).squeeze(1),
            "rnc": self.orgin_linear_change(r),
            "text1": t if self.compat == "paper" else queries[:, 5],
            "text2": c[1],
            "attention": lengths / lengths.sum(1, keepdim=True),
        }


def seeded(shape, key, std):
    """A tensor that depends on its name alone, so that networks with common parts share their parameters."""
    generator = torch.Generator().manual_seed(7 + sum((i + 1) * ord(c) for i, c in enumerate(key)))
    return torch.randn(shape, generator=generator) * std


def draw(network):
    """Weights a little larger than a fresh network has, so that attention is not uniform and the steps stay well scaled."""
    state = {}
    for key, tensor in network.state_dict().items():
        fan_in = tensor.shape[-1] if tensor.dim() > 1 else 1
        std = 2.0 if "context_vector" in key else (1.1 / fan_in**0.5 if tensor.dim() > 1 else 0.2)
        state[key] = seeded(tensor.shape, key, std) if tensor.is_floating_point() else tensor
    network.load_state_dict(state)
    return network.eval()


def save(name, tensors, **metadata):
    save_file({k: t.detach().contiguous().clone() for k, t in tensors.items()}, OUT / f"{name}.safetensors", metadata or None)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    for old in OUT.glob("*.safetensors"):
        old.unlink()
    inputs = {n: seeded((3, max(LENGTHS[n]), WIDTHS[n]), f"input {n}", 1.5) for n in NAMES}
    lengths = {f"lengths.{n}": torch.tensor(LENGTHS[n]) for n in NAMES}
    save("inputs", inputs | lengths)
    save("residual-ae.weights", draw(Fusion("paper", "text")).state_dict())
    equation = draw(Fusion("paper", "equation")).state_dict()
    save("equation.weights", {f"module.model.{k}": t for k, t in equation.items()})
    settings = {
        "off": {"mia": "off"},
        "text": {"mia": "on", "mia_residual": "text"},
        "transition": {"mia": "on", "mia_residual": "transition"},
        "equation": {"mia": "on", "mia_structure": "equation"},
    }
    for compat in ("paper", "release"):
        for mia, setting in settings.items():
            network = draw(Fusion(compat, mia))
            tensors = {}
            for flow in ("complete", "missing"):
                steps = network(inputs, flow == "missing")
                tensors |= {f"{flow}.{k}": t for k, t in steps.items()}
            save(f"{compat}_{mia}", tensors, config=json.dumps(setting | {"compat": compat}))


if __name__ == "__main__":
    main()
    import golden_loss

    golden_loss.main()
