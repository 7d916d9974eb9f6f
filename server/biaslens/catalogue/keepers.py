"""Code that models, or their parameters, are handed to and that leaves alone what they compute; and code that does not.

A model is more than called: it is trained, stored, loaded, exported, printed, counted, watched and wrapped. None of
that makes a bias matter: values of parameters are never used, and an optimiser changes no more than values. What
changes the *structure* of a model (`fuse`, `prune`, `quantize`) is named here as well, since nothing is known then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Keeper:
    """Functions, classes and methods that do the same with a model.

    does: what that is, as a verb.
    packages: the beginnings of their dotted names.
    names: of them, or of the class whose methods they are; empty for everything that the packages have.
    gives: what a call gives: "" (something of which nothing is known), "model" (the model, or a wrapper that behaves
        like it), "arguments" (all that it got, as a tuple where that is more than one thing), "model first" (a tuple
        that begins with the model), "vector" (a tensor made of all tensors that it got).
    """

    does: str
    packages: tuple[str, ...]
    names: frozenset[str] = frozenset()
    gives: str = ""

    @property
    def reads(self) -> bool:
        """Whether something may come of tensors that it gets, beside those that are parameters."""
        return self.does not in ("wraps", "stores", "prints", "draws", "counts", "watches")


def find(dotted: str) -> Keeper | None:
    """The row of a dotted name: of a function, a class, or what a class or an object of it has."""
    return _find(dotted) if dotted else None


def watches(method: str) -> bool:
    """Whether a method of this name records something, whatever object it is one of."""
    return _RECORDING.fullmatch(method) is not None


def rewires(name: str) -> bool:
    """Whether code says by its name that it changes the structure of what it gets."""
    return _REWIRES.search(name) is not None


def _keeper(does: str, packages: str, names: str = "", gives: str = "") -> Keeper:
    return Keeper(does, tuple(packages.split()), frozenset(names.split()), gives)


_LIGHTNING = "pytorch_lightning lightning lightning_fabric"

ROWS = (
    # wrappers that behave like the model
    _keeper("wraps", "torch", "compile", "model"),
    _keeper("wraps", "torch._dynamo", "optimize disable", "model"),
    _keeper("wraps", "torch.jit", "trace trace_module script", "model"),
    _keeper("wraps", "torch.nn", "DataParallel DistributedDataParallel", "model"),
    _keeper("wraps", "torch.nn.SyncBatchNorm", "convert_sync_batchnorm", "model"),
    _keeper("wraps", "torch.distributed.fsdp", "FullyShardedDataParallel fully_shard", "model"),
    _keeper("wraps", "torch.distributed.tensor.parallel", "parallelize_module", "model"),
    _keeper("wraps", "torch.distributed.algorithms._checkpoint", "checkpoint_wrapper", "model"),
    _keeper("wraps", "apex", "DistributedDataParallel convert_syncbn_model", "model"),
    _keeper("wraps", "mmcv mmengine", "MMDataParallel MMDistributedDataParallel revert_sync_batchnorm", "model"),
    _keeper("wraps", "fairscale", "FullyShardedDataParallel ShardedDataParallel checkpoint_wrapper", "model"),
    _keeper("wraps", "timm", "unwrap_model", "model"),
    _keeper("wraps", "ignite", "auto_model auto_optim auto_dataloader", "model"),
    _keeper("wraps", "accelerate", "prepare", "arguments"),
    _keeper(
        "wraps",
        "accelerate",
        "prepare_model unwrap_model extract_model_from_parallel dispatch_model cpu_offload",
        "model",
    ),
    _keeper("wraps", "accelerate", "load_checkpoint_and_dispatch", "model"),
    _keeper("wraps", _LIGHTNING, "setup setup_module setup_optimizers setup_dataloaders", "arguments"),
    _keeper("wraps", "apex.amp", "initialize", "arguments"),
    _keeper("wraps", "deepspeed", "initialize", "model first"),
    _keeper("wraps", "torch.cuda.amp torch.amp", "scale", "arguments"),
    # training
    _keeper("trains", "torch.optim.swa_utils", "update_bn"),
    _keeper("trains", "torch.optim torch.distributed.optim torch.cuda.amp torch.amp torch.utils.data"),
    _keeper("trains", "torch.distributed", "broadcast all_reduce barrier init_process_group"),
    _keeper("trains", "timm", "create_optimizer create_optimizer_v2 create_scheduler create_scheduler_v2"),
    _keeper("trains", "timm", "param_groups_weight_decay param_groups_layer_decay optimizer_kwargs Lookahead"),
    _keeper("trains", "timm.optim timm.scheduler"),
    _keeper("copies", "timm", "ModelEma ModelEmaV2 ModelEmaV3"),
    _keeper("trains", "apex.optimizers bitsandbytes.optim torch_optimizer pytorch_optimizer lion_pytorch prodigyopt"),
    _keeper("trains", "dadaptation adamp schedulefree adabelief_pytorch heavyball came_pytorch"),
    _keeper("trains", "mmcv mmengine mmcls mmdet mmseg", "build_optimizer build_optim_wrapper build_runner Runner"),
    _keeper("trains", "mmcv mmengine", "EpochBasedRunner IterBasedRunner OptimWrapper DefaultOptimWrapperConstructor"),
    _keeper("trains", "mmdet mmseg mmcls mmdet3d mmpose", "train_detector train_segmentor train_model"),
    _keeper("trains", "detectron2", "build_optimizer build_lr_scheduler get_default_optimizer_params SimpleTrainer"),
    _keeper("trains", "detectron2", "AMPTrainer DefaultTrainer maybe_add_gradient_clipping"),
    _keeper("trains", "transformers", "Trainer Seq2SeqTrainer TrainingArguments AdamW Adafactor get_scheduler"),
    _keeper("trains", "transformers", "get_cosine_schedule_with_warmup get_linear_schedule_with_warmup"),
    _keeper("trains", "transformers.optimization transformers.trainer"),
    _keeper("trains", "deepspeed.ops horovod"),
    _keeper("trains", "accelerate fairscale.optim fastai.learner fastai.vision skorch catalyst poutyne torchbearer"),
    _keeper("trains", "ignite.engine ignite.handlers ignite.contrib ignite.metrics", ""),
    _keeper("trains", _LIGHTNING, "Trainer Fabric LightningLite Tuner callbacks loggers strategies seed_everything"),
    _keeper(
        "trains", "pytorch_lightning.utilities lightning.pytorch.utilities", "rank_zero_info ModelSummary summarize"
    ),
    _keeper("copies", "torch_ema ema_pytorch"),
    # gradients
    _keeper("clips", "torch.nn.utils", "clip_grad_norm_ clip_grad_value_ clip_grad_norm get_total_norm"),
    _keeper("clips", "torch.nn.utils", "clip_grads_with_norm_"),
    _keeper("clips", "timm", "dispatch_clip_grad adaptive_clip_grad"),
    _keeper("differentiates", "torch.autograd", "grad backward"),
    _keeper("differentiates", "torch.autograd", "set_detect_anomaly detect_anomaly profiler"),
    # parameters as values
    _keeper("reads out", "torch.nn.utils", "parameters_to_vector", "vector"),
    _keeper("loads", "torch.nn.utils", "vector_to_parameters"),
    _keeper("counts", "torch.nn.utils", "skip_init"),
    _keeper(
        "trains", "torch", "_foreach_add_ _foreach_mul_ _foreach_zero_ _foreach_copy_ _foreach_lerp_ _foreach_sub_"
    ),
    # storing and loading
    _keeper("stores", "torch", "save"),
    _keeper("stores", "torch.jit", "save"),
    _keeper("stores", "torch.distributed.checkpoint safetensors huggingface_hub pickle dill joblib cloudpickle shelve"),
    _keeper("loads", "mmcv mmengine mmcls mmdet mmseg", "load_checkpoint load_state_dict save_checkpoint"),
    _keeper("loads", "timm", "load_checkpoint load_pretrained load_state_dict resume_checkpoint CheckpointSaver"),
    _keeper("loads", "fvcore detectron2 iopath", "Checkpointer PeriodicCheckpointer DetectionCheckpointer"),
    _keeper("loads", "open_clip clip", "load_checkpoint"),
    # exporting
    _keeper("exports", "torch.onnx torch.export torch._dynamo coremltools onnx onnx2torch tensorrt torch2trt openvino"),
    _keeper("exports", "torch.utils.mobile_optimizer", "optimize_for_mobile"),
    # printing, counting and drawing
    _keeper("counts", "torchsummary torchinfo torchsummaryX torchstat modelsummary pytorch_model_summary"),
    _keeper("counts", "thop ptflops fvcore.nn calflops deepspeed.profiling flopth pthflops torchprofile torchlens"),
    _keeper("counts", "torch.utils.flop_counter torch.profiler torch.utils.benchmark"),
    _keeper("counts", "mmcv mmengine", "get_model_complexity_info print_log get_logger"),
    _keeper("draws", "torchviz hiddenlayer netron torchview graphviz visualtorch matplotlib seaborn plotly PIL"),
    _keeper("prints", "tqdm rich.progress", "tqdm trange track", "model"),
    _keeper("prints", "rich termcolor loguru pprint tabulate logging absl.logging"),
    # watching
    _keeper("watches", "torch.utils.tensorboard tensorboardX tensorboard_logger tensorboard tensorflow"),
    _keeper("watches", "wandb mlflow comet_ml neptune clearml swanlab sacred visdom dvclive trackio"),
    _keeper("measures", "torchmetrics sklearn numpy scipy pandas pytorch_grad_cam captum"),
    # starting values
    _keeper("initialises", "torch.nn.init"),
    _keeper("initialises", "fvcore.nn.weight_init"),
    _keeper("initialises", "mmcv mmengine", "constant_init xavier_init normal_init uniform_init kaiming_init"),
    _keeper("initialises", "mmcv mmengine", "caffe2_xavier_init bias_init_with_prob trunc_normal_init trunc_normal_"),
    _keeper("initialises", "mmcv mmengine", "initialize update_init_info"),
    _keeper("initialises", "timm", "trunc_normal_ lecun_normal_ variance_scaling_ init_weight_vit init_weight_jax"),
)
"""Where two of them match, the first one does."""

VALUES_ONLY = frozenset(
    {
        *("item", "tolist", "numpy", "float", "int", "round", "equal", "allclose", "histc", "quantile"),
        *("max", "min", "abs"),
        "a write into a part",
    }
)
"""Operations of which nothing comes, unless their result is used as a tensor: most take plain numbers out of a
parameter, from which no gradient comes back, or write some into it."""

_RECORDING = re.compile(
    r"add_(?:scalars?|histogram|graph|images?|figure|text|pr_curve|hparams|embedding|video|audio|mesh)"
    r"|info|debug|warning|error|critical|log_(?:histogram|metrics?|scalar|dict)"
)

_REWIRES = re.compile(
    r"fus(?:e(?!d)|ion|ing)|prun|replac|convert|quant|swap|inject|patch|reparam|deploy|merg|rewir|surger|sparsif|binari|lora"
    r"|peft|adapter|spectral_norm|weight_norm|torch\.fx|torch\.ao",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def _find(dotted: str) -> Keeper | None:
    parts = dotted.split(".")
    for row in _by_root().get(parts[0], ()):
        for package in row.packages:
            if dotted.startswith(package) and dotted[len(package) : len(package) + 1] in ("", "."):
                rest = parts[package.count(".") + 1 :]
                if not row.names.isdisjoint(rest) or not (row.names or rewires(parts[-1])):
                    return row
    return None


@cache
def _by_root() -> Mapping[str, tuple[Keeper, ...]]:
    """The rows by the first part of the dotted names that they are about, so that other names cost one look-up."""
    found: dict[str, list[Keeper]] = {}
    for row in ROWS:
        for root in dict.fromkeys(package.partition(".")[0] for package in row.packages):
            found.setdefault(root, []).append(row)
    return MappingProxyType({root: tuple(rows) for root, rows in found.items()})
