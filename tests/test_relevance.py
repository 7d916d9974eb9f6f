"""Which files are left out before they are followed: only those in which following finds nothing."""

import pytest

from biaslens.lint import study
from biaslens.options import Options
from biaslens.program.world import World
from biaslens.relevance import Relevance
from biaslens.syntax.files import Files
from biaslens.text import Source

LAYERS = """\
import torch
from torch import nn


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x))


class Own(nn.Conv2d):
    pass


def make(width=8):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def pick(kind, dim):
    return getattr(kind, "Conv%dd" % dim)


parts = nn


def scaled(x):
    return x * 2
"""

USE = """

class Net(Base):
    def forward(self, x):
        return self.norm(self.conv(x)).relu()
"""

MATTERS = {
    "a class that derives from one elsewhere": "from pkg.layers import Base" + USE,
    "a relative import": "from .layers import Base" + USE,
    "a re-export of a package": "from . import Base" + USE,
    "a chain of star imports": "from .stars import *" + USE,
    "an import in a function": "def build():\n    from .layers import make\n    return make()\n",
    "a factory elsewhere": "from .layers import make\n\nnet = make()\n",
    "a factory under another name": "from .layers import make as build\n\nnet = build()\n",
    "a factory behind another one": "from .factory import build\n\nnet = build()\n",
    "a module as a whole": "from . import layers\n\nnet = layers.make()\n",
    "a dotted module": "import pkg.layers\n\nnet = pkg.layers.make()\n",
    "a dotted module with a name": "import pkg.layers as parts\n\nnet = parts.make()\n",
    "a list with a bracket in a comment": "from .layers import (  # :-)\n    scaled, make,\n)\n\nnet = make()\n",
    "a list over two lines": "from .layers import scaled, \\\n    make\n\nnet = make()\n",
    "an import behind another statement": "import os; from .layers import make\n\nnet = make()\n",
    "an import that may fail": "try:\n    from .layers import make\nexcept OSError:\n    pass\n\nnet = make()\n",
    "a name in a block for types": "from .lazy import make\n\nnet = make()\n",
    "an attribute that is made": "from torch import nn\n\nfrom .layers import pick\n\nnet = pick(nn, 2)(3, 8, 3)\n",
    "torch from elsewhere": "from .layers import pick, parts\n\nnet = pick(parts, 2)(3, 8, 3)\n",
    "a container elsewhere": "from .table import KINDS\n\nnet = KINDS['conv'](3, 8, 3)\n",
    "another spelling of a name": "from .layers import make\n\nnet = \uff4dake()\n",
}

FILES = {
    "__init__.py": "from .layers import Base\n",
    "layers.py": LAYERS,
    "stars.py": "from .more_stars import *\n",
    "more_stars.py": "from .layers import *\n",
    "factory.py": "from .layers import make\n\n\ndef build():\n    return make(4)\n",
    "table.py": "from .layers import Own\n\nKINDS = {}\nKINDS['conv'] = Own\n",
    "lazy.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from .layers import make\n",
    "logs.py": "import logging\n\n\ndef logger(name):\n    return getattr(logging, name)\n",
}

LEFT_OUT = {
    "nothing of torch": "import os\n\n\nclass Config:\n    width = 3\n\n\ndef load(path):\n    return open(path)\n",
    "torch without layers": "import torch\n\n\ndef loss(x):\n    return torch.relu(x).mean()\n\n\ntotal = loss(3)\n",
    "a function of a file with layers": "from .layers import scaled\n\nx = scaled(3)\n",
    "layers that only prose speaks of": '"""Settings of Conv2d and Linear."""\n\nwidth = int(3)\n',
    "attributes that are made, without torch": "from .logs import logger\n\nlog = logger('a')\n",
    "modules that are not there": "from mypkg import Conv\n\nnet = Conv(3)\n",
}


def world(text: str, options: Options) -> tuple[Source, World]:
    buffers = {f"/project/pkg/{name}": content for name, content in FILES.items()}
    files = Files({**buffers, "/project/pkg/model.py": text})
    source = files.read("/project/pkg/model.py")
    assert isinstance(source, Source)
    return source, World(files, options)


def matters(text: str, options: Options | None = None) -> bool:
    source, own = world(text, options or Options())
    return Relevance(own).matters(source, own.files.apart())


def is_something_found(text: str, options: Options | None = None) -> bool:
    source, own = world(text, options or Options())
    return bool(study(source, own).followed.uses)


@pytest.mark.parametrize("text", MATTERS.values(), ids=MATTERS)
def test_what_makes_or_uses_layers_matters(text: str) -> None:
    assert is_something_found(text), "the trap is one"
    assert matters(text)


@pytest.mark.parametrize("text", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_make_layers_is_left_out(text: str) -> None:
    assert not is_something_found(text)
    assert not matters(text)


def test_the_users_word_counts() -> None:
    text = "from mypkg import Conv\n\nnet = Conv(3, 8, 3)\n"
    options = Options(like=(("mypkg.Conv", "torch.nn.Conv2d"),))
    assert is_something_found(text, options)
    assert matters(text, options)


def test_an_answer_tells_what_it_rests_on() -> None:
    text = "from .factory import build as scaled\n\nx = scaled(3)\n"
    source, own = world(text.replace("build as", ""), Options())
    seen = own.files.apart()
    assert not Relevance(own).matters(source, seen)
    assert {"/project/pkg/model.py", "/project/pkg/factory.py"} <= seen.reads
    relevance = Relevance(own)
    relevance.matters(source, own.files.apart())
    again = own.files.apart()
    relevance.matters(source, again)
    assert again.reads == seen.reads, "also where it was known already"
