"""Declarations: how a struct declares its options, and how a struct is made from checked values. Pure.

A struct is a class of annotated fields, each with an `Option`. A struct that derives from others has their options
too. These declarations are the only source of what is known about options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    NamedTuple,
    Self,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

from batcher.errors import UsageError
from batcher.options.kinds import FLAG, NUMBER, PATH, TEXT, WHOLE, Kind, many, one_of

if TYPE_CHECKING:
    # Not imported at run time, which would slow the help down.
    from batcher.model import Json

T = TypeVar("T")


class Option(NamedTuple):
    """What is declared with a field. The rest is derived from the field's name, type and default."""

    help: str
    kind: Kind | None = None
    least: float | None = None
    most: float | None = None
    flag: str = ""
    """The long flag, if it is not the field's name. A field that is true by default has the flag --no-NAME."""
    short: str = ""
    metavar: str = ""
    default: str = ""
    """How the help shows a default that is not a plain value."""
    argument: str = ""
    """How the library's errors write the flag with its value, if that is not name=VALUE."""
    shared_environment: tuple[str, ...] = ()
    """Environment variables that other programs use too. The option's own variable takes precedence."""
    is_argument: bool = False
    """Whether it is a positional argument instead of a flag."""
    is_spoken: bool = False
    """Whether it is accepted on the command line only, since it costs money, runs a command or cannot be undone."""


class Declared(NamedTuple):
    """An option as its struct declares it. `default` is a Derived if it is derived from other options."""

    name: str
    group: str
    option: Option
    kind: Kind
    is_required: bool
    default: Any

    @property
    def flag(self) -> str:
        """The long flag."""
        if self.option.flag:
            return self.option.flag
        return f"--{'no-' if self.is_negated else ''}{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """The name in `batcher.toml`."""
        return self.flag.removeprefix("--")

    @property
    def environment(self) -> tuple[str, ...]:
        """The environment variables; the first that is set is used. None if the option is for the command line only."""
        if self.option.is_spoken or self.option.is_argument:
            return ()
        return (f"BATCHER_{self.key.replace('-', '_').upper()}", *self.option.shared_environment)

    @property
    def is_negated(self) -> bool:
        """Whether the flag turns off what is on by default."""
        return self.kind is FLAG and self.default is True

    @property
    def metavar(self) -> str:
        """The placeholder for the value in a help."""
        if self.option.is_argument:
            return self.option.metavar or self.name.upper()
        return "" if self.kind is FLAG else self.option.metavar or self.kind.metavar

    @property
    def bounds(self) -> str:
        """The bounds in words. Empty if there are none."""
        least, most, unit = self.option.least, self.option.most, self.kind.unit
        if least is None:
            return "" if most is None else f"at most {most:,}{unit}"
        return f"at least {least:,}{unit}" if most is None else f"{least:,} to {most:,}{unit}"

    def take(self, value: Any) -> Any:
        """Check and convert a value that a program passes. Raises UsageError with the reason."""
        bounds = f", {self.bounds}" if self.bounds else ""
        unfit = UsageError(f"expected {self.kind.expected}{bounds}")
        try:
            taken = self.kind.take(value)
        except (TypeError, ValueError):
            raise unfit from None
        least, most = self.option.least, self.option.most
        if (least is not None and taken < least) or (most is not None and taken > most):
            raise unfit
        return taken

    def set(self, value: Any) -> Any:
        """Check and convert a value of `batcher.toml`, in which `no-x = true` turns x off."""
        taken = self.take(value)
        return not taken if self.is_negated else taken

    def read(self, text: Any) -> Any:
        """Check and convert a value of the command line or the environment: a text, a list of texts, or a bool."""
        try:
            value = [self.kind.read(each) for each in text] if isinstance(text, list | tuple) else self.kind.read(text)
        except ValueError:
            # It is not a number: `take` reports what is expected.
            value = text
        return self.set(value)

    def show(self, value: Any) -> Json:
        """Return a value as `batcher.toml` may have it."""
        return not value if self.is_negated else self.kind.show(value)


class Derived:
    """A default that is derived from other options, on each access."""

    def __init__(self, factory: Callable[[Any], Any]) -> None:
        self._factory = factory

    def __get__(self, options: Any, owner: type | None = None) -> Any:
        return self if options is None else self._factory(options)


def derived(*, factory: Callable[[Any], T]) -> T:
    """Declare a default that `factory` makes from the struct."""
    return cast("T", Derived(factory))


@dataclass_transform(eq_default=False, kw_only_default=True, frozen_default=True, field_specifiers=(derived,))
class Options:
    """An immutable struct of options, made from keyword arguments. None means the default.

    Raises UsageError, which names the argument, for a value of the wrong kind or out of bounds, and for an unknown or
    missing argument.
    """

    group = ""
    """The heading in the help for the options that a class declares."""
    alternatives: ClassVar[tuple[str, ...]] = ()
    """Options of which at most one may be given."""

    def __init__(self, **given: Any) -> None:
        known = {each.name: each for each in declared_by(type(self))}
        for name in given.keys() - known.keys():
            raise UsageError(f"{name}: no such argument", nearest(name, known, "See help(batcher.run)."))
        if self.alternatives and all(given.get(name) is not None for name in self.alternatives):
            raise combined(self.alternatives)
        values = {}
        for name, each in known.items():
            if given.get(name) is not None:
                values[name] = _named(f"{name}={given[name]!r}", each.take, given[name])
            elif each.is_required:
                raise UsageError(f"{name}: this argument is missing", f"{name}: {each.option.help}")
        vars(self).update(values)

    @classmethod
    def of(cls, taken: Mapping[str, Any]) -> Self:
        """Make a struct from checked values. The other options have their defaults."""
        made = cls.__new__(cls)
        vars(made).update(taken)
        return made

    def but(self, **changes: Any) -> Self:
        """Return a copy with other values for some options. The values have been checked."""
        return self.of(vars(self) | changes)

    def has(self, name: str) -> bool:
        """Return whether an option was given."""
        return name in vars(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be set")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _named(where: str, take: Callable[[Any], Any], value: Any) -> Any:
    try:
        return take(value)
    except UsageError as error:
        raise UsageError(f"{where}: {error}", error.advice) from None


def combined(names: Sequence[str]) -> UsageError:
    """Return the error for alternatives that were all given."""
    return UsageError(f"{' and '.join(names)} cannot be combined; choose one")


_KNOWN: dict[type[Options], tuple[Declared, ...]] = {}


def declared_by(struct: type[Options]) -> tuple[Declared, ...]:
    """Return the options of a struct: its own, then those of its base classes, in their order."""
    if struct not in _KNOWN:
        _KNOWN[struct] = tuple(_collected(struct).values())
    return _KNOWN[struct]


def _collected(struct: type[Options]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for each in struct.__mro__:
        if each in {Options, object}:
            continue
        for name, hint in each.__annotations__.items():
            if name in found:
                # A derived class has declared it again; it keeps its group.
                found[name] = found[name]._replace(group=vars(each)["group"])
            else:
                found[name] = _declared(name, vars(each).get("group", ""), hint, vars(each).get(name, ...))
    return found


def settable(struct: type[Options]) -> list[Declared]:
    """Return the options that can be set in the environment and in `batcher.toml`."""
    return [each for each in declared_by(struct) if each.environment]


def _declared(name: str, group: str, hint: Any, default: Any) -> Declared:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{name}: declare an option as Annotated[TYPE, Option(...)]")
    type_, option = get_args(hint)
    return Declared(
        name, group, option, option.kind or _kind_of(type_), default is ..., None if default is ... else default
    )


_KINDS = {bool: FLAG, int: WHOLE, float: NUMBER, str: TEXT, Path: PATH}


def _kind_of(type_: Any) -> Kind:
    """Return the kind that a type implies."""
    types = [each for each in get_args(type_) if each is not NoneType]
    origin = get_origin(type_)
    if origin in {tuple, frozenset}:
        return many(_kind_of(types[0]), origin)
    if types:
        return _kind_of(types[0])
    return one_of(type_) if issubclass(type_, StrEnum) else _KINDS[type_]


def nearest(name: str, known: Mapping[str, object] | set[str], otherwise: str) -> str:
    """Return advice about an unknown name: a similar name, or `otherwise`."""
    near = get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]}?" if near else otherwise
