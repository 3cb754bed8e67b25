"""Reference tensors of YuNet-n, from a PyTorch module written from its description; golden.py runs it.

Versions:  torch 2.15, safetensors 0.8; CPU, float32, one thread
Seed:      31
Tolerance: 1e-4 relative to the root mean square of each reference tensor

`yunet.weights.safetensors` holds all parameters under the names of `libfacedetection.train`, batch normalisation and its
counters included. `yunet.safetensors` holds `image` (1, 64, 32, 3) in RGB, and for every layer its output with the
channels last, under the layer's name; `heads.N` is class, object, box and landmarks of one scale side by side.
"""

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

WIDE = 64


class Unit(nn.Module):
    """A 1 x 1 convolution, then a depthwise one of 3 x 3; between units, normalisation and ReLU."""

    def __init__(self, inputs, outputs, last=False):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs)
        if not last:
            self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.conv2(self.conv1(x))
        return self.bn(x).relu() if hasattr(self, "bn") else x


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = Unit(16, 16)

    def forward(self, x):
        return self.conv2(self.bn1(self.conv1(x)).relu())


class Stage(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.conv1 = Unit(inputs, inputs)
        self.conv2 = Unit(inputs, WIDE)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class YuNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.model0 = Stem()
        for index in range(1, 6):
            self.backbone.add_module(f"model{index}", Stage(16 if index == 1 else WIDE))
        self.neck = nn.Module()
        self.neck.lateral_convs = nn.ModuleList(Unit(WIDE, WIDE) for _ in range(3))
        self.bbox_head = head = nn.Module()
        head.multi_level_share_convs = nn.ModuleList(nn.Sequential(Unit(WIDE, WIDE)) for _ in range(3))
        for name, outputs in [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)]:
            head.add_module(f"multi_level_{name}", nn.ModuleList(Unit(WIDE, outputs, last=True) for _ in range(3)))

    def forward(self, bgr):
        seen = {}
        x = bgr
        scales = []
        for index in range(6):
            x = seen[f"backbone.model{index}"] = getattr(self.backbone, f"model{index}")(x)
            if index >= 3:
                scales.append(x)
            if index in (0, 2, 3, 4):
                x = functional.max_pool2d(x, 2)
        for scale in (2, 1, 0):
            x = seen[f"neck.lateral_convs.{scale}"] = self.neck.lateral_convs[scale](scales[scale])
            if scale > 0:
                scales[scale - 1] = scales[scale - 1] + functional.interpolate(x, scale_factor=2.0, mode="nearest")
        head = self.bbox_head
        for scale in range(3):
            x = head.multi_level_share_convs[scale](seen[f"neck.lateral_convs.{scale}"])
            parts = [head.multi_level_cls, head.multi_level_obj, head.multi_level_bbox, head.multi_level_kps]
            seen[f"heads.{scale}"] = torch.cat([part[scale](x) for part in parts], 1)
        return seen


def main(folder):
    torch.manual_seed(31)
    torch.set_num_threads(1)
    network = YuNet().eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight.data, norm.running_var):
                tensor.uniform_(0.5, 2.0)
            for tensor in (norm.bias.data, norm.running_mean):
                tensor.normal_(0, 0.3)
    image = torch.randint(0, 256, (1, 64, 32, 3)).float()
    with torch.no_grad():
        seen = network(image.flip(-1).permute(0, 3, 1, 2))
    tensors = {name: x.permute(0, 2, 3, 1).contiguous() for name, x in seen.items()}
    save_file({"image": image} | tensors, folder / "yunet.safetensors")
    save_file(network.state_dict(), folder / "yunet.weights.safetensors")
