"""Code that a model is handed to: what is known of it by name, and what is said where nobody knows it."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from biaslens.catalogue import keepers
from biaslens.explain.hints import hints
from biaslens.explain.hover import hover
from biaslens.flow import Site
from biaslens.incremental import Memory
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.repair import fix_of
from biaslens.syntax.files import Files
from biaslens.text import Source, Span

PATH = "/project/train.py"
MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()

"""


def report(code: str, others: dict[str, str] | None = None) -> Report:
    """What is said of the model with some code behind it."""
    files = {PATH: MODEL + code, **(others or {})}
    return lint(Source(PATH, files[PATH]), Files(files), Options())


def verdict(code: str, others: dict[str, str] | None = None) -> str:
    (site,) = report(code, others).flow.affine_sites
    return site.verdict.value


def built(imports: str, *statements: str) -> str:
    """Code in which a function makes the model, does something with it, and returns it."""
    body = "".join(f"    {statement}\n" for statement in statements)
    return f"{imports}\ndef build(path, logger):\n    net = Net()\n{body}    return net\n"


KNOWN = [
    ("from mmengine.runner import load_checkpoint", "load_checkpoint(net, path, map_location='cpu')"),
    ("import mmcv", "mmcv.runner.checkpoint.load_checkpoint(net, path)"),
    (
        "from safetensors.torch import load_model, save_model",
        "load_model(net, path); save_model(model=net, filename=path)",
    ),
    ("import huggingface_hub", "huggingface_hub.save_torch_model(net, path)"),
    ("", "torch.save(net, path)"),
    ("", "torch.onnx.export(net, torch.rand(1, 3, 8, 8), path)"),
    ("import torch.onnx as onnx", "onnx.dynamo_export(net, torch.rand(1, 3, 8, 8))"),
    ("", "net = torch.jit.trace(net, torch.rand(1, 3, 8, 8))"),
    ("", "net = torch.jit.script(net)"),
    ("", "net = torch.compile(net, mode='max-autotune')"),
    (
        "from torch.nn.parallel import DistributedDataParallel as DDP",
        "net = DDP(net, device_ids=[0]); net.module.state_dict()",
    ),
    ("from torch.distributed.fsdp import FullyShardedDataParallel as FSDP", "net = FSDP(module=net)"),
    ("from accelerate import Accelerator", "net, opt = Accelerator().prepare(net, torch.optim.SGD(net.parameters()))"),
    ("from lightning.fabric import Fabric", "net, opt = Fabric().setup(net, torch.optim.SGD(net.parameters()))"),
    ("import deepspeed", "net, opt, _, _ = deepspeed.initialize(model=net, config={}); net.step()"),
    ("from apex import amp", "net, opt = amp.initialize(net, torch.optim.SGD(net.parameters()), opt_level='O1')"),
    ("import pytorch_lightning as pl", "pl.Trainer(max_epochs=1).fit(net)"),
    ("from lightning.pytorch import Trainer", "trainer = Trainer(); trainer.fit(model=net); trainer.test(net)"),
    ("import transformers", "transformers.Trainer(model=net, args=None).train()"),
    ("from timm.optim import create_optimizer_v2", "create_optimizer_v2(net, opt='adamw').step()"),
    ("import bitsandbytes as bnb", "bnb.optim.Adam8bit(net.parameters(), lr=0.1)"),
    ("from apex.optimizers import FusedAdam", "FusedAdam([{'params': list(net.parameters())}])"),
    ("", "torch.optim.LBFGS(net.parameters()).step(lambda: net(torch.rand(2, 3, 8, 8)).mean())"),
    ("from functools import partial", "partial(torch.optim.SGD, lr=0.1)(net.parameters())"),
    ("", "torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)"),
    ("from torchsummary import summary", "summary(net, (3, 8, 8))"),
    ("from thop import profile", "macs, params = profile(net, inputs=(torch.rand(1, 3, 8, 8),))"),
    ("from fvcore.nn import FlopCountAnalysis", "print(FlopCountAnalysis(net, torch.rand(1, 3, 8, 8)).total())"),
    ("from ptflops import get_model_complexity_info", "get_model_complexity_info(net, (3, 8, 8))"),
    ("import wandb", "wandb.watch(net, log='all'); wandb.init().watch(models=(net,))"),
    ("from torch.utils.tensorboard import SummaryWriter", "SummaryWriter().add_graph(net, torch.rand(1, 3, 8, 8))"),
    ("", "logger.add_histogram('bias', net.conv.bias, 0)"),
    ("import logging", "logging.getLogger(__name__).info(net)"),
    ("from timm.utils import ModelEmaV2", "ModelEmaV2(net).update(net)"),
    ("from mmcv.cnn import constant_init", "constant_init(net.norm, 1)"),
    ("", "print(net, net.conv.bias.norm(), [p.mean().item() for p in net.parameters()])"),
    ("", "before = net.conv.bias.clone(); print(torch.equal(before, net.conv.bias), (before != net.conv.bias).any())"),
]


@pytest.mark.parametrize(("imports", "statement"), KNOWN, ids=[statement for _, statement in KNOWN])
def test_code_that_leaves_a_model_as_it_is_keeps_the_finding(imports: str, statement: str) -> None:
    assert verdict(built(imports, *statement.split("; "))) == "redundant"


@pytest.mark.parametrize(
    ("imports", "statement", "name"),
    [
        ("from elsewhere import mystery", "mystery(net)", "elsewhere.mystery"),
        ("from elsewhere import mystery", "mystery(model=[net])", "elsewhere.mystery"),
        ("from elsewhere import mystery", "mystery(lambda: net)", "elsewhere.mystery"),
        ("from elsewhere import mystery", "mystery(net.norm)", "elsewhere.mystery"),
        ("from elsewhere import mystery", "mystery({'params': net.parameters()})", "elsewhere.mystery"),
        ("from elsewhere import mystery", "mystery(p.pow(2) for p in net.parameters())", "elsewhere.mystery"),
        ("from elsewhere import mystery", "net = mystery(net)", "elsewhere.mystery"),
        ("from elsewhere import Trainer", "trainer = Trainer(); trainer.fit(net)", "elsewhere.Trainer(...).fit"),
        ("", "logger.fit(net)", "logger.fit"),
        ("", "path(net)", "path"),
    ],
)
def test_code_that_nobody_knows_makes_an_unsafe_offer_with_a_sentence(imports: str, statement: str, name: str) -> None:
    found = report(built(imports, *statement.split("; ")))
    (finding,) = found.findings
    sentence = f"it is handed to `{name}`, which could not be followed"
    assert finding.severity == "information"
    assert finding.message.endswith(f", when `{name}`, which could not be followed, leaves it as it is.")
    fix = fix_of(finding, found, Files({PATH: found.source.text}))
    assert fix is not None
    assert (fix.applicability, fix.reason) == ("unsafe", sentence)
    (hint,) = hints(found.flow, found.source, Span(0, len(found.source.text)))
    assert hint.label.startswith("bias: cancelled by norm")
    about = hover(found, finding.location.span.start)
    assert about is not None
    assert f"{sentence[0].upper()}{sentence[1:]}." in about.lines


@pytest.mark.parametrize(
    "statement",
    [
        "torch.ao.quantization.fuse_modules(net, [['conv', 'norm']], inplace=True)",
        "net = torch.ao.quantization.prepare_qat(net)",
        "nn.utils.prune.l1_unstructured(net.conv, 'bias', 0.3)",
        "net = torch.fx.symbolic_trace(net)",
        "logger.convert_model(net)",
        "path.Quantizer().prepare(net)",
        "exec(path)",
        "net.conv.register_forward_hook(lambda module, inputs, output: output.relu())",
    ],
)
def test_code_that_rewires_is_no_longer_followed(statement: str) -> None:
    assert verdict(built("", statement)) in ("unknown", "needed")


@pytest.mark.parametrize(
    "penalty",
    [
        "sum(p.norm() for p in net.parameters())",
        "nn.utils.parameters_to_vector(net.parameters()).norm()",
        "net.conv.bias.sum()",
        "max(p.norm() for p in net.parameters())",
        "torch.stack([p.pow(2).sum() for p in net.parameters()]).sum().sqrt()",
    ],
)
@pytest.mark.parametrize("backward", ["loss.backward()", "torch.cuda.amp.GradScaler().scale(loss).backward()"])
def test_a_bias_in_the_loss_of_a_script_is_used(penalty: str, backward: str) -> None:
    loop = "for x in [torch.rand(2, 3, 8, 8)]:\n    loss = net(x).mean() + {}\n    {}\n    opt.step()\n"
    script = "net = Net()\nopt = torch.optim.SGD(net.parameters(), 0.1)\n" + loop
    assert verdict(script.format("0", backward)) == "redundant"
    assert verdict(script.format(penalty, backward)) in ("needed", "unknown")


def test_packages_that_are_installed_are_not_followed_where_they_are_known() -> None:
    others = {
        "/project/mmcv/__init__.py": "",
        "/project/mmcv/runner.py": "def load_checkpoint(model, path):\n    read(path).fill(model)\n",
        "/project/own.py": "def load_weights(model, path):\n    read(path).fill(model)\n",
    }
    known = built("from mmcv.runner import load_checkpoint", "load_checkpoint(net, path)")
    unknown = built("from own import load_weights", "load_weights(net, path)")
    assert verdict(known, others) == "redundant"
    assert verdict(unknown, others) == "redundant if"


def test_a_statement_of_module_level_is_noticed_while_it_is_typed() -> None:
    memory = Memory()

    def site(statement: str) -> Site:
        text = f"{MODEL}from elsewhere import mystery\nnet = Net()\n{statement}\n"
        (found,) = memory.lint(Source(PATH, text), Files({PATH: text}), Options()).whole.flow.affine_sites
        return found

    assert site("print(net)").verdict.value == "redundant"
    assert site("mystery(net)").handed == "elsewhere.mystery"
    assert site("print(net)").verdict.value == "redundant"


@pytest.mark.parametrize("row", keepers.ROWS, ids=lambda row: f"{row.does} {row.packages[0]}")
def test_what_a_row_names_of_torch_exists(row: keepers.Keeper) -> None:
    """Of packages that are not installed nothing can be said; each row has something that it is found by."""
    for package in row.packages:
        assert keepers.find(f"{package}.{min(row.names, default='x')}") is not None
        if package.split(".")[0] == "torch":
            module = _module(package)
            missing = {
                name for name in row.names if not any(hasattr(place, name) for place in _around(module, row.names))
            }
            assert missing == set()


def _module(dotted: str) -> object:
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name and not error.name.startswith("torch"):
            return importlib  # of what torch only passes on, nothing is named
        owner, _, name = dotted.rpartition(".")
        return getattr(importlib.import_module(owner), name)


def _around(module: object, names: frozenset[str]) -> list[object]:
    """A module of torch, and the modules and classes right below it that have one of some names."""
    inner = [value for value in vars(module).values() if isinstance(value, (ModuleType, type))]
    return [module, *(place for place in inner if any(hasattr(place, name) for name in names))]
