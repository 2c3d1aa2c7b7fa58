"""What a notebook computes on."""

from dataclasses import dataclass

from tuneoff.strings import say


@dataclass(frozen=True)
class Device:
    """The device that trials will use.

    Attributes:
        kind: ``cuda`` or ``cpu``.
        name: the model as its maker names it.
        memory_bytes: of the GPU, or of the machine; ``None`` where the system does not say.
        free_bytes: of the GPU at this moment; ``None`` without one.
        cores: processor cores that this process may use.
        precision: what training computes in when the study does not say.
    """

    kind: str
    name: str
    memory_bytes: int | None
    free_bytes: int | None
    cores: int | None
    precision: str

    def __str__(self) -> str:
        from tuneoff.report import format as f

        facts = {"name": self.name, "memory": f.size(self.memory_bytes), "precision": self.precision}
        if self.kind == "cuda":
            return say("notebook.gpu", free=f.size(self.free_bytes), **facts)
        return say("notebook.no_gpu", cores=self.cores or f.NOTHING, **facts)

    __repr__ = __str__


def device() -> Device:
    """Look at the device that a study would run on here."""
    import torch

    from tuneoff.backbone import pick_device, pick_precision
    from tuneoff.measure import environment

    found, picked = environment(), pick_device()
    free = torch.cuda.mem_get_info()[0] if picked.type == "cuda" else None
    precision = pick_precision("auto", picked)
    return Device(picked.type, found["device_name"], found["device_bytes"], free, found["cores"], precision)
