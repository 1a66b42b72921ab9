"""Published networks in plain PyTorch, as a person would write them: what bundled specs are held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    """http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf, with full connections and plain pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(torch.tanh(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c3(x)), 2)
        x = torch.tanh(self.c5(x)).flatten(1)
        return self.output(torch.tanh(self.f6(x)))


class NiN(nn.Sequential):
    """https://arxiv.org/abs/1312.4400, for CIFAR-10."""

    def __init__(self) -> None:
        def mlp_conv(channels: int, width: int, kernel: int, first: int, second: int) -> nn.Sequential:
            convs = [
                nn.Conv2d(channels, width, kernel, padding=kernel // 2),
                nn.Conv2d(width, first, 1),
                nn.Conv2d(first, second, 1),
            ]
            return nn.Sequential(*(layer for conv in convs for layer in (conv, nn.ReLU())))

        super().__init__(
            mlp_conv(3, 192, 5, 160, 96),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Dropout(0.5),
            mlp_conv(96, 192, 5, 192, 192),
            nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Dropout(0.5),
            mlp_conv(192, 192, 3, 192, 10),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


class UNet(nn.Module):
    """https://arxiv.org/abs/1505.04597; without padding, the contracting path's maps are cropped."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        channels = 1
        self.down = []
        for i, width in enumerate((64, 128, 256, 512)):
            self.add_module(f"down{i}", self.double(channels, width, padding))
            channels = width
        self.bottom = self.double(512, 1024, padding)
        channels = 1024
        for i, width in ((3, 512), (2, 256), (1, 128), (0, 64)):
            self.add_module(f"up{i}", nn.ConvTranspose2d(channels, width, 2, 2))
            self.add_module(f"conv{i}", self.double(2 * width, width, padding))
            channels = width
        self.head = nn.Conv2d(64, 2, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    @staticmethod
    def double(channels: int, width: int, padding: int) -> nn.Sequential:
        first, second = nn.Conv2d(channels, width, 3, padding=padding), nn.Conv2d(width, width, 3, padding=padding)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for i in range(4):
            x = getattr(self, f"down{i}")(x)
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for i in (3, 2, 1, 0):
            x = getattr(self, f"up{i}")(x)
            top, left = ((kept[i].shape[axis] - x.shape[axis]) // 2 for axis in (2, 3))
            cropped = kept[i][:, :, top : top + x.shape[2], left : left + x.shape[3]]
            x = getattr(self, f"conv{i}")(torch.cat([cropped, x], dim=1))
        return self.head(x)


class CifarBlock(nn.Module):
    """Two convolutions and a shortcut that subsamples and adds zeros as channels."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            more = (out.shape[1] - x.shape[1]) // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, more, more))
        return F.relu(out + x)


class ResNet20(nn.Module):
    """https://arxiv.org/abs/1512.03385, section 4.2, with shortcuts of option A."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for i, (channels, width) in enumerate(((16, 16), (16, 32), (32, 64)), start=1):
            blocks = [CifarBlock(width if j else channels, width, 2 if i > 1 and j == 0 else 1) for j in range(3)]
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, 10)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for i in (1, 2, 3):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean(dim=(2, 3)))


class UNet1d(nn.Module):
    """A U-Net for signals."""

    def __init__(self) -> None:
        super().__init__()
        channels = 1
        for i, width in enumerate((16, 32, 64, 128)):
            self.add_module(f"down{i}", self.conv(channels, width))
            self.add_module(f"half{i}", self.conv(width, width, 2))
            channels = width
        self.bottom = self.conv(128, 256)
        channels = 256
        for i, width in ((3, 128), (2, 64), (1, 32), (0, 16)):
            self.add_module(f"up{i}", nn.ConvTranspose1d(channels, width, 2, 2))
            self.add_module(f"conv{i}", self.conv(2 * width, width))
            channels = width
        self.head = nn.Conv1d(16, 1, 1)

    @staticmethod
    def conv(channels: int, width: int, stride: int = 1) -> nn.Sequential:
        conv = nn.Conv1d(channels, width, 9, stride, padding=4, bias=False)
        return nn.Sequential(conv, nn.BatchNorm1d(width), nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for i in range(4):
            kept.append(getattr(self, f"down{i}")(x))
            x = getattr(self, f"half{i}")(kept[-1])
        x = self.bottom(x)
        for i in (3, 2, 1, 0):
            x = torch.cat([kept[i], getattr(self, f"up{i}")(x)], dim=1)
            x = getattr(self, f"conv{i}")(x)
        return self.head(x)


class PointNet(nn.Module):
    """https://arxiv.org/abs/1612.00593, without the transforms of input and features."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, width in ((3, 64), (64, 64), (64, 64), (64, 128), (128, 1024)):
            layers += [nn.Conv1d(channels, width, 1), nn.BatchNorm1d(width), nn.ReLU()]
        self.shared = nn.Sequential(*layers)
        layers = []
        for channels, width in ((1024, 512), (512, 256)):
            layers += [nn.Linear(channels, width), nn.BatchNorm1d(width), nn.ReLU()]
        self.classifier = nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(256, 40))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.shared(x).amax(dim=2))


class Separable(nn.Sequential):
    """A depthwise and a pointwise convolution, and batch normalization."""

    def __init__(self, channels: int, width: int) -> None:
        depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        super().__init__(depthwise, nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))


class XceptionDown(nn.Module):
    """Two separable convolutions and a pooling, beside a strided convolution."""

    def __init__(self, channels: int, middle: int, width: int, activate: bool = True) -> None:
        super().__init__()
        layers = [Separable(channels, middle), nn.ReLU(), Separable(middle, width), nn.MaxPool2d(3, 2, 1)]
        self.body = nn.Sequential(*([nn.ReLU()] if activate else []), *layers)
        self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class XceptionMiddle(nn.Module):
    """Three separable convolutions with a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(layer for _ in range(3) for layer in (nn.ReLU(), Separable(width, width))))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x


class Xception(nn.Module):
    """https://arxiv.org/abs/1610.02357, Figure 5."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            XceptionDown(64, 128, 128, activate=False),
            XceptionDown(128, 256, 256),
            XceptionDown(256, 728, 728),
        )
        self.middle = nn.Sequential(*(XceptionMiddle(728) for _ in range(8)))
        self.exit = nn.Sequential(
            XceptionDown(728, 728, 1024),
            Separable(1024, 1536),
            nn.ReLU(),
            Separable(1536, 2048),
            nn.ReLU(),
        )
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.exit(self.middle(self.entry(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class InceptionConv(nn.Sequential):
    """A convolution, batch normalization and ReLU."""

    def __init__(self, channels: int, width: int, size: Any, stride: int = 1, pad: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, size, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)
        self.relu = nn.ReLU(inplace=True)


def inception_chain(channels: int, *layers: tuple[Any, ...]) -> nn.Sequential:
    """Convolutions after each other, from their width, size, stride and padding."""
    widths = [channels, *(layer[0] for layer in layers)]
    return nn.Sequential(*(InceptionConv(c, *layer) for c, layer in zip(widths, layers, strict=False)))


class InceptionViews(nn.Module):
    """Branches of one input, joined over the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for name, branch in self.named_children() if name.startswith("branch")], dim=1)


class InceptionResidual(InceptionViews):
    """The branches through a 1×1 convolution, times a number, and their input."""

    def __init__(self, *branches: nn.Module, views: int, width: int, scale: float, activate: bool = True) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(views, width, 1)
        self.scale = scale
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2d(super().forward(x)) * self.scale + x
        return torch.relu(x) if self.activate else x


def inception_a() -> nn.Module:
    """Figure 16 of https://arxiv.org/abs/1602.07261."""
    return InceptionResidual(
        InceptionConv(320, 32, 1),
        inception_chain(320, (32, 1), (32, 3, 1, 1)),
        inception_chain(320, (32, 1), (48, 3, 1, 1), (64, 3, 1, 1)),
        views=128,
        width=320,
        scale=0.17,
    )


def inception_b() -> nn.Module:
    """Figure 17."""
    first = InceptionConv(1088, 192, 1)
    second = inception_chain(1088, (128, 1), (160, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)))
    return InceptionResidual(first, second, views=384, width=1088, scale=0.1)


def inception_c(scale: float = 0.2, activate: bool = True) -> nn.Module:
    """Figure 19."""
    first = InceptionConv(2080, 192, 1)
    second = inception_chain(2080, (192, 1), (224, (1, 3), 1, (0, 1)), (256, (3, 1), 1, (1, 0)))
    return InceptionResidual(first, second, views=448, width=2080, scale=scale, activate=activate)


class InceptionResNetV2(nn.Module):
    """https://arxiv.org/abs/1602.07261, Figure 15, with the stem and the widths of the authors' code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = InceptionConv(3, 32, 3, 2)
        self.conv2d_2a = InceptionConv(32, 32, 3)
        self.conv2d_2b = InceptionConv(32, 64, 3, 1, 1)
        self.conv2d_3b = InceptionConv(64, 80, 1)
        self.conv2d_4a = InceptionConv(80, 192, 3)
        self.mixed_5b = InceptionViews(
            InceptionConv(192, 96, 1),
            inception_chain(192, (48, 1), (64, 5, 1, 2)),
            inception_chain(192, (64, 1), (96, 3, 1, 1), (96, 3, 1, 1)),
            nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), InceptionConv(192, 64, 1)),
        )
        self.repeat = nn.Sequential(*(inception_a() for _ in range(10)))
        self.mixed_6a = InceptionViews(
            InceptionConv(320, 384, 3, 2),
            inception_chain(320, (256, 1), (256, 3, 1, 1), (384, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_1 = nn.Sequential(*(inception_b() for _ in range(20)))
        self.mixed_7a = InceptionViews(
            inception_chain(1088, (256, 1), (384, 3, 2)),
            inception_chain(1088, (256, 1), (288, 3, 2)),
            inception_chain(1088, (256, 1), (288, 3, 1, 1), (320, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_2 = nn.Sequential(*(inception_c() for _ in range(9)))
        self.block8 = inception_c(1.0, activate=False)
        self.conv2d_7b = InceptionConv(2080, 1536, 1)
        self.classif = nn.Linear(1536, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))), 3, 2)
        x = F.max_pool2d(self.conv2d_4a(self.conv2d_3b(x)), 3, 2)
        x = self.repeat_1(self.mixed_6a(self.repeat(self.mixed_5b(x))))
        x = self.conv2d_7b(self.block8(self.repeat_2(self.mixed_7a(x))))
        return self.classif(F.adaptive_avg_pool2d(x, 1).flatten(1))
