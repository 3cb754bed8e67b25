"""Reference tensors of MANet, from a PyTorch module written from its description.

Command:    python golden.py        (rewrites golden/ beside this file, the same bytes every time)
Versions:   torch 2.15, safetensors 0.6 or later; CPU, float32, one thread
Seed:       11 for weights, batch statistics and images
Tolerance:  1e-4 relative to the root mean square of each reference tensor

Files (width 4: a network of the published structure, a sixteenth as wide; the weights in half precision):
  manet.weights.safetensors         all parameters under their published names, the unused ones too
  sdumc.safetensors                 two images of 64 x 64, every layer's output
  upstream.safetensors              what differs in the other variant: the global branch and the embedding
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

OUT = Path(__file__).parent / "golden"
WIDTH, SIDE, CLASSES = 4, 64, 7


class Gates(nn.Module):
    """CBAM; the attribute names are the published ones."""

    def __init__(self, c):
        super().__init__()
        self.ChannelGate = nn.Module()
        hidden = c // 16
        self.ChannelGate.mlp = nn.Sequential(nn.Flatten(), nn.Linear(c, hidden), nn.ReLU(), nn.Linear(hidden, c))
        self.SpatialGate = nn.Module()
        self.SpatialGate.spatial = nn.Module()
        self.SpatialGate.spatial.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.SpatialGate.spatial.bn = nn.BatchNorm2d(1)

    def forward(self, x):
        mlp, spatial = self.ChannelGate.mlp, self.SpatialGate.spatial
        x = x * torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))[..., None, None]
        places = torch.stack([x.amax(1), x.mean(1)], 1)
        return x * torch.sigmoid(spatial.bn(spatial.conv(places)))


class Block(nn.Module):
    def __init__(self, kind, inputs, outputs, stride):
        super().__init__()
        self.kind = kind
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        if kind in ("sdumc", "upstream"):
            for chain in (1, 2):
                for i in range(1, 5):
                    chunk = outputs // 4
                    setattr(self, f"conv{chain}_2_{i}", nn.Conv2d(chunk, chunk, 3, 1, 1, bias=False))
                    setattr(self, f"bn{chain}_2_{i}", nn.BatchNorm2d(chunk))
        else:
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
        if kind == "attention":
            self.cbam = Gates(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def chain(self, name, chunks, order):
        seen, done = None, {}
        for i in order:
            x = chunks[i - 1] if seen is None else torch.relu(seen) + chunks[i - 1]
            done[i] = seen = getattr(self, f"bn{name}_2_{i}")(getattr(self, f"conv{name}_2_{i}")(x))
        return torch.cat([done[i] for i in (1, 2, 3, 4)], 1)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        if self.kind in ("sdumc", "upstream"):
            chunks = y.chunk(4, 1)
            second = (4, 3, 2, 1) if self.kind == "upstream" else (1, 2, 3, 4)
            y = self.chain(1, chunks, (1, 2, 3, 4)) + self.chain(2, chunks, second)
        else:
            y = self.bn2(self.conv2(y))
        if self.kind == "attention":
            y = self.cbam(y)
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def layer(kind, inputs, outputs, stride):
    return nn.Sequential(Block(kind, inputs, outputs, stride), Block(kind, outputs, outputs, 1))


class Encoder(nn.Module):
    def __init__(self, variant, w=WIDTH):
        super().__init__()
        self.conv1 = nn.Conv2d(3, w, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(w)
        self.layer1 = layer("basic", w, w, 1)
        self.layer2 = layer("basic", w, 2 * w, 2)
        for p in range(1, 5):
            setattr(self, f"layer3_1_p{p}", layer("attention", 2 * w, 4 * w, 2))
            setattr(self, f"layer4_1_p{p}", layer("attention", 4 * w, 8 * w, 1))
        self.layer3_2 = layer(variant, 2 * w, 4 * w, 2)
        self.layer4_2 = layer(variant, 4 * w, 8 * w, 2)
        # The classifiers of the published checkpoint.
        self.fc_1, self.fc_2 = nn.Linear(8 * w, CLASSES), nn.Linear(8 * w, CLASSES)

    def forward(self, x):
        steps = {"images": x}
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        steps["stem"] = x
        x = steps["layer1"] = self.layer1(x)
        x = steps["layer2"] = self.layer2(x)
        half = x.shape[-1] // 2
        corners = [(0, 0), (0, half), (half, 0), (half, half)]
        last = []
        for p, (top, left) in enumerate(corners, 1):
            y = getattr(self, f"layer3_1_p{p}")(x[:, :, top : top + half, left : left + half])
            steps[f"local.{p}.layer3"] = y
            y = steps[f"local.{p}.layer4"] = getattr(self, f"layer4_1_p{p}")(y)
            last.append(y)
        stitched = torch.cat([torch.cat(last[:2], 3), torch.cat(last[2:], 3)], 2)
        y = steps["global.layer3"] = self.layer3_2(x)
        y = steps["global.layer4"] = self.layer4_2(y)
        steps["embedding"] = torch.cat([stitched.mean((2, 3)), y.mean((2, 3))], 1)
        return steps


def draw(network):
    generator = torch.Generator().manual_seed(11)
    state = {}
    for key, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            state[key] = tensor
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if key.endswith("running_var"):
            drawn = 0.3 + noise.abs()
        elif tensor.dim() > 1:
            drawn = noise * (2 / tensor[0].numel()) ** 0.5
        elif key.endswith("weight"):
            drawn = 1 + 0.3 * noise
        else:
            drawn = 0.3 * noise
        # Half precision in the file, exact in the reference.
        state[key] = drawn.half().float()
    network.load_state_dict(state)
    return network.eval()


def save(name, tensors):
    save_file({k: t.detach().contiguous().clone() for k, t in tensors.items()}, OUT / f"{name}.safetensors")


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    for old in OUT.glob("*.safetensors"):
        old.unlink()
    network = draw(Encoder("sdumc"))
    weights = {f"module.{k}": t.half() if t.is_floating_point() else t for k, t in network.state_dict().items()}
    save("manet.weights", weights)
    images = torch.rand((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(11))
    save("sdumc", network(images))
    upstream = draw(Encoder("upstream"))(images)
    save("upstream", {k: upstream[k] for k in ("global.layer3", "global.layer4", "embedding")})


if __name__ == "__main__":
    main()
