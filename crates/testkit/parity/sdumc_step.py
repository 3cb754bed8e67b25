"""One training step of SDUMC at its published size in PyTorch: both flows, all losses, backward, Adam. Drawn weights and
features.

`python sdumc_step.py [--clips N] [--frames AUDIO,TEXT,VIDEO] [--steps N]` prints `{"seconds": [one per step],
"peak_rss_mb"}`; a first step warms up. OMP_NUM_THREADS says how many threads. Both flows share the projections of audio and
video, as affekt's do, and autograd has no gradient of the features to compute.
"""

import argparse
import json
import os
import time

import torch
from torch import nn
from torch.nn import functional as F

import common

WIDTHS = (1024, 4096, 1024)
DIM = 256
AUDIO, TEXT, VIDEO = range(3)
WEIGHTS = {"full": 0.5, "missing": 0.5, "mkd1": 0.1, "mkd2": 0.7, "rs": 0.13, "rnc": 0.5}


def mlp(*widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers)


class Attention(nn.Module):
    """Stage 1 with one learnt query, or stage 2 with projected ones."""

    def __init__(self, learnt):
        super().__init__()
        self.keys = nn.Linear(DIM, DIM)
        self.context = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, DIM))) if learnt else None
        self.queries = None if learnt else nn.Linear(DIM, DIM)

    def forward(self, frames, queries=None):
        x = F.dropout(frames, 0.5, self.training)
        keys = torch.tanh(self.keys(x))
        queries = self.context.expand(len(x), 1, DIM) if queries is None else self.queries(queries)
        weights = torch.softmax(0.3 * queries @ keys.transpose(1, 2), -1)
        return F.dropout(weights @ x, 0.5, self.training)


class Imagination(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transition = nn.Sequential(nn.Linear(3 * dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.encoder, self.decoder = nn.Linear(dim, dim // 2), nn.Linear(dim // 2, dim)

    def forward(self, parts):
        return self.decoder(self.encoder(self.transition(torch.cat(parts, -1)))) + parts[TEXT]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        each = lambda make: nn.ModuleList(make() for _ in range(3))
        self.reshape = nn.ModuleList(nn.Linear(width, DIM) for width in WIDTHS)
        self.pool, self.cross = each(lambda: Attention(True)), each(lambda: Attention(False))
        self.hidden = each(lambda: mlp(DIM, DIM, DIM))
        self.cross_hidden = each(lambda: mlp(DIM, DIM, DIM // 2))
        self.imagine, self.imagine_cross = Imagination(DIM), Imagination(DIM // 2)
        self.gather, self.weigh = mlp(3 * DIM, DIM, DIM), nn.Linear(DIM, 3)
        self.views = nn.ModuleList(mlp(DIM, DIM) for _ in range(7))
        self.gather_views, self.weigh_views = mlp(7 * DIM // 2, DIM, DIM // 2), nn.Linear(DIM // 2, 7)
        self.valence = nn.Linear(DIM // 2, 1)
        self.rnc = nn.Sequential(nn.Linear(DIM // 2, DIM // 4), nn.ReLU(), nn.Linear(DIM // 4, DIM // 4))

    def forward(self, frames, missing):
        hidden = [mlp(pool(x)[:, 0]) for mlp, pool, x in zip(self.hidden, self.pool, frames)]
        if missing:
            hidden[TEXT] = self.imagine(hidden)
        weights = self.weigh(self.gather(torch.cat(hidden, -1)))
        a, t, v = (weights[:, at : at + 1] * x for at, x in enumerate(hidden))
        views = [a + t + v, a + t, t + v, a + v, a, t, v]
        queries = torch.stack([mlp(view) for mlp, view in zip(self.views, views)], 1)
        cross = [mlp(att(x, queries)) for mlp, att, x in zip(self.cross_hidden, self.cross, frames)]
        if missing:
            cross[TEXT] = self.imagine_cross(cross)
        summed = sum(weights[:, at, None, None] * x for at, x in enumerate(cross))
        view_weights = self.weigh_views(self.gather_views(summed.flatten(1)))
        r = (view_weights[:, :, None] * summed).sum(1)
        return self.valence(r)[:, 0], r, self.rnc(r), hidden[TEXT], cross[TEXT]


def rmse(a, b):
    return F.mse_loss(a, b).sqrt()


def rank_n_contrast(x, labels):
    n = len(x)
    apart = (labels[:, None] - labels[None]).abs()
    square = (x[:, None] - x[None]).square().sum(-1)
    near = square == 0
    similarity = -torch.where(near, 0, torch.where(near, 1, square).sqrt()) / 2
    other = ~torch.eye(n, dtype=torch.bool, device=x.device)
    # [i, j, k]: whether k is in the denominator of anchor i and positive j
    inside = (apart[:, None, :] >= apart[:, :, None] - 1e-4) & other[:, None, :]
    sums = similarity[:, None, :].expand(n, n, n).masked_fill(~inside, -torch.inf).logsumexp(-1)
    return -(similarity - sums)[other].sum() / (n * (n - 1))


def step(network, optimizer, features, labels):
    audio, text, simulated, video = features
    audio, video = network.reshape[AUDIO](audio), network.reshape[VIDEO](video)
    full = network([audio, network.reshape[TEXT](text), video], False)
    missing = network([audio, network.reshape[TEXT](simulated), video], True)
    loss = WEIGHTS["full"] * F.mse_loss(full[0], labels) + WEIGHTS["missing"] * F.mse_loss(missing[0], labels)
    loss = loss + WEIGHTS["mkd1"] * rmse(missing[3], full[3].detach())
    loss = loss + WEIGHTS["mkd2"] * rmse(missing[4], full[4].detach())
    loss = loss + WEIGHTS["rs"] * rmse(missing[1], full[1])
    both = torch.cat([full[2], missing[2]])
    loss = loss + WEIGHTS["rnc"] * rank_n_contrast(both, torch.cat([labels, labels]))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--frames", default="365,40,220")
    parser.add_argument("--steps", type=int, default=5)
    flags = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    torch.manual_seed(7)
    audio, text, video = (int(frames) for frames in flags.frames.split(","))
    network = Network().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    shapes = [(audio, 1024), (text, 4096), (text, 4096), (video, 1024)]
    features = [torch.randn(flags.clips, *shape) for shape in shapes]
    labels = torch.linspace(-3, 3, flags.clips)
    seconds = []
    for _ in range(flags.steps + 1):
        start = time.perf_counter()
        step(network, optimizer, features, labels)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:], "peak_rss_mb": common.peak_rss_mb()}))


if __name__ == "__main__":
    main()
