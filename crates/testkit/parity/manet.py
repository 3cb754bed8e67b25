"""MANet at its published width, 50.5 M drawn weights; the module beside its golden files, in PyTorch."""

import torch

import common

SEED = 11
WIDTH = 64


def make(folder):
    golden = common.golden("manet")
    with torch.device("meta"):
        network = golden.Encoder("sdumc", WIDTH)
    network = golden.draw(network.to_empty(device="cpu"))
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    common.save(folder / "model.safetensors", state)
    # As published.
    torch.save({"epoch": 21, "arch": "manet", "state_dict": state, "best_acc": 88.33}, folder / "model_best.pth")
    generator = torch.Generator().manual_seed(SEED)
    for batch in (2, 8):
        images = torch.rand((batch, 3, 224, 224), generator=generator)
        common.save(folder / f"images{batch}.safetensors", {"images": images})


def run(_, flags, inputs, dtype):
    golden = common.golden("manet")
    with torch.device("meta"):
        network = golden.Encoder(flags.variant or "sdumc", WIDTH)
    state = {key.removeprefix("module."): value for key, value in common.weights(flags.weights).items()}
    network.load_state_dict(state, assign=True)
    network = network.eval().to(dtype)
    images = inputs["images"].to(dtype)
    result, measured = common.repeated(flags.repeat, lambda: embedding(network, images))
    return {"embedding": result.float()}, measured


def embedding(network, x):
    """As the module's own forward pass, without keeping what every layer gives."""
    x = torch.nn.functional.max_pool2d(torch.relu(network.bn1(network.conv1(x))), 3, 2, 1)
    x = network.layer2(network.layer1(x))
    half = x.shape[-1] // 2
    corners = [(0, 0), (0, half), (half, 0), (half, half)]
    local = []
    for p, (top, left) in enumerate(corners, 1):
        quarter = getattr(network, f"layer3_1_p{p}")(x[:, :, top : top + half, left : left + half])
        local.append(getattr(network, f"layer4_1_p{p}")(quarter).mean((2, 3)))
    whole = network.layer4_2(network.layer3_2(x)).mean((2, 3))
    return torch.cat([sum(local) / 4, whole], 1)
