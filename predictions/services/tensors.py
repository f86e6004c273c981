"""Requests and answers of the open inference protocol v2: tensors as JSON or as bytes.

Source: the protocol's HTTP/REST specification (github.com/kserve/open-inference-protocol) and the
binary tensor data extension of Triton. Members and parameters that are not known are passed over,
as the protocol's extensions ask; everything known is checked before an array is made.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from portal.core.errors import FieldProblem, InvalidInput

#: What is read here: the model's numbers. Little-endian, as the extension says.
NUMBERS: Mapping[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}
BYTES = "BYTES"
#: More names than any model has inputs or outputs; ours.
MOST_TENSORS = 1_000
LONGEST_ID = 256
_PLAIN = frozenset({int, float, type(None)})


@dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers that were sent.

    Attributes
    ----------
    name
    shape
        As sent, every number at least 0.
    values : float64 array, shape [product of `shape`]
        Row by row; NaN where null or NaN was sent. Numbers sent as FP32 bytes are the shortest
        decimals that give them, so that 0.144 stays 0.144.
    """

    name: str
    shape: tuple[int, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """An output that was asked for."""

    name: str
    is_binary: bool


@dataclass(frozen=True, eq=False)
class InferenceRequest:
    """A request as sent.

    Attributes
    ----------
    id
        The caller's own name of it; None without one.
    parameters
        As sent.
    inputs
        In the order sent, each name once.
    outputs
        None when every output is wanted.
    wants_binary
        Whether outputs that do not say otherwise come as bytes.
    """

    id: str | None
    parameters: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Wanted, ...] | None
    wants_binary: bool


@dataclass(frozen=True, eq=False)
class Output:
    """A tensor of an answer: FP64 or FP32 numbers, or texts."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the tensor for JSON."""
        return {**self._head(), "data": self.values}

    def to_bytes(self) -> tuple[dict[str, Any], bytes]:
        """Return what JSON says of the tensor, and its content."""
        if self.datatype == BYTES:
            content = b"".join(map(_counted, self.values))
        else:
            content = np.asarray(self.values, dtype=NUMBERS[self.datatype]).tobytes()
        return {**self._head(), "parameters": {"binary_data_size": len(content)}}, content

    def _head(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, eq=False)
class InferenceAnswer:
    """What a model says.

    Attributes
    ----------
    model_name, model_version
    outputs
        All of them, in the model's order.
    parameters
        Of the whole answer.
    """

    model_name: str
    model_version: int
    outputs: Sequence[Output]
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_request(body: Any, blob: bytes = b"") -> InferenceRequest:
    """Read a request.

    Parameters
    ----------
    body
        The JSON object, decoded.
    blob
        What follows it: the content of inputs with ``binary_data_size``, in their order.

    Raises
    ------
    InvalidInput
        With what was seen, the rule and the way out.
    """
    if not isinstance(body, dict):
        raise wrong("", _("The body must be an object with the member “inputs”."))
    parameters = _parameters(body, "")
    inputs = _inputs(body.get("inputs"), blob)
    wants_binary = _flag(parameters, "binary_data_output", default=False)
    outputs = _outputs(body.get("outputs"), is_binary=wants_binary)
    return InferenceRequest(_id(body.get("id")), parameters, inputs, outputs, wants_binary)


def chosen(request: InferenceRequest, offered: Sequence[Output]) -> list[tuple[Output, bool]]:
    """Return the outputs that were asked for, each with whether it goes as bytes.

    Raises
    ------
    InvalidInput
        For an output that the model does not have.
    """
    if request.outputs is None:
        return [(output, request.wants_binary) for output in offered]
    by_name = {output.name: output for output in offered}
    return [(by_name[wanted.name], wanted.is_binary) for wanted in request.outputs]


def check_outputs(request: InferenceRequest, known: Sequence[str]) -> None:
    """Refuse outputs that the model does not have, before anything is predicted.

    Raises
    ------
    InvalidInput
        Naming the output and those there are.
    """
    for wanted in request.outputs or ():
        if wanted.name not in known:
            message = _("There is no output “%(seen)s”; the outputs are: %(known)s.")
            values = {"seen": wanted.name[:60], "known": ", ".join(known)}
            raise wrong("outputs", message % values)


def record_wanted(request: InferenceRequest) -> bool:
    """Whether the prediction is to be recorded, as the parameter ``record`` says.

    Raises
    ------
    InvalidInput
        When the parameter is neither true nor false.
    """
    return _flag(request.parameters, "record", default=True)


def wrong(place: str, message: str) -> InvalidInput:
    """Return the error for one part of a request."""
    return InvalidInput(message, problems=[FieldProblem(place[:80], "invalid", message)])


def _id(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= LONGEST_ID):
        return value
    raise wrong(
        "id", _("“id” must be a text of at most %(most)d characters.") % {"most": LONGEST_ID}
    )


def _parameters(holder: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    value = holder.get("parameters")
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    field_name = f"{place}.parameters" if place else "parameters"
    raise wrong(field_name, _("“%(field)s” must be an object.") % {"field": field_name})


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise wrong(f"parameters.{name}", _("“%(field)s” must be true or false.") % {"field": name})


def _listed(value: Any, place: str) -> list[dict[str, Any]]:
    """Return a list of objects with a name each."""
    if not isinstance(value, list):
        raise wrong(place, _("“%(field)s” must be a list of tensors.") % {"field": place})
    if len(value) > MOST_TENSORS:
        message = _("“%(field)s” has %(count)d tensors: %(most)d are the most.")
        values = {"field": place, "count": len(value), "most": MOST_TENSORS}
        raise wrong(place, message % values)
    seen: set[str] = set()
    for index, item in enumerate(value):
        where = f"{place}[{index}]"
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise wrong(where, _("“%(field)s” must be an object with a name.") % {"field": where})
        if item["name"] in seen:
            message = _("The tensor “%(name)s” stands twice in “%(field)s”.")
            raise wrong(where, message % {"name": item["name"][:60], "field": place})
        seen.add(item["name"])
    return value


def _outputs(value: Any, *, is_binary: bool) -> tuple[Wanted, ...] | None:
    if value is None:
        return None
    wanted = _listed(value, "outputs") or None
    return wanted and tuple(
        Wanted(
            item["name"],
            _flag(_parameters(item, "outputs"), "binary_data", default=is_binary),
        )
        for item in wanted
    )


def _inputs(value: Any, blob: bytes) -> tuple[Tensor, ...]:
    listed = _listed(value, "inputs")
    if not listed:
        raise wrong("inputs", _("“inputs” is empty: send at least one tensor."))
    tensors = []
    start = 0
    for item in listed:
        name = item["name"]
        shape = _shape(item.get("shape"), name)
        dtype = _dtype(item.get("datatype"), name)
        size = _parameters(item, name).get("binary_data_size")
        if size is None:
            values = _from_json(item.get("data"), shape, name)
        else:
            content = _content(item, size, shape, dtype, blob[start:])
            start += len(content)
            values = _from_bytes(content, dtype)
        tensors.append(Tensor(name, shape, values))
    if start != len(blob):
        message = _("%(count)d bytes follow the last tensor: the sizes do not fit the body.")
        raise wrong("inputs", message % {"count": len(blob) - start})
    return tuple(tensors)


def _shape(value: Any, name: str) -> tuple[int, ...]:
    is_whole = isinstance(value, list) and all(
        type(size) is int and 0 <= size < 2**64 for size in value
    )
    if is_whole and 0 < len(value) <= 8:
        return tuple(value)
    message = _(
        "The shape of “%(name)s” is %(seen)s: send a list of 1 to 8 whole numbers, none negative."
    )
    raise wrong(f"{name}.shape", message % {"name": name[:60], "seen": _seen(value)})


def _dtype(value: Any, name: str) -> np.dtype[Any]:
    if isinstance(value, str) and value in NUMBERS:
        return NUMBERS[value]
    message = _("The datatype of “%(name)s” is %(seen)s: send FP32 or FP64.")
    raise wrong(f"{name}.datatype", message % {"name": name[:60], "seen": _seen(value)})


def _from_json(data: Any, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Return numbers from flat or nested lists; the lists decide how much memory is taken."""
    flat = _flat(data, shape)
    if flat is None:
        message = _(
            "The data of “%(name)s” do not fit the shape %(shape)s: send %(count)d numbers in one "
            "list, or lists within lists of these lengths."
        )
        values = {"name": name[:60], "shape": _seen(list(shape)), "count": math.prod(shape)}
        raise wrong(f"{name}.data", message % values)
    if not _PLAIN.issuperset(map(type, flat)):
        strange = next(value for value in flat if type(value) not in _PLAIN)
        message = _("The data of “%(name)s” hold %(seen)s: send plain numbers.")
        raise wrong(f"{name}.data", message % {"name": name[:60], "seen": _seen(strange)})
    try:
        return np.array(flat, dtype=np.float64)
    except OverflowError:
        limit = 10**300
        kept = [math.inf if type(v) is int and abs(v) > limit else v for v in flat]
        return np.array(kept, dtype=np.float64)


def _flat(data: Any, shape: tuple[int, ...]) -> Sequence[Any] | None:
    """Return the numbers in one list, None when the lists have other lengths than the shape."""
    if not isinstance(data, list):
        return None
    if len(data) == math.prod(shape) and not any(type(item) is list for item in data):
        return data
    level: list[Any] = [data]
    for size in shape:
        if any(type(item) is not list or len(item) != size for item in level):
            return None
        level = list(chain.from_iterable(level))
    return None if any(type(item) is list for item in level) else level


def _content(
    item: Mapping[str, Any], size: Any, shape: tuple[int, ...], dtype: np.dtype[Any], blob: bytes
) -> bytes:
    name = item["name"]
    needed = math.prod(shape) * dtype.itemsize
    if type(size) is not int or size != needed:
        message = _("“binary_data_size” of “%(name)s” is %(seen)s: the shape takes %(needed)d.")
        values = {"name": name[:60], "seen": _seen(size), "needed": needed}
        raise wrong(f"{name}.parameters", message % values)
    if len(blob) < needed or item.get("data") is not None:
        message = _("The body holds %(count)d bytes for “%(name)s”, not %(needed)d.")
        values = {"name": name[:60], "count": len(blob), "needed": needed}
        raise wrong(f"{name}.data", message % values)
    return blob[:needed]


def _from_bytes(content: bytes, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    values = np.frombuffer(content, dtype=dtype)
    if dtype.itemsize == 8:
        return values.astype(np.float64)
    # The shortest decimals that give these numbers.
    return np.array(list(map(str, values.astype(np.float32))), dtype=np.float64)


def _counted(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<I", len(content)) + content


def _seen(value: Any, limit: int = 60) -> str:
    text = repr(value) if not isinstance(value, Iterable) else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
