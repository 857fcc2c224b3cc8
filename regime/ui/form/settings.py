"""Forms as they are written in `regime/data/forms.toml`, and the control that a field asks for by its schema."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from regime.config import Config
from regime.data import FOLDER
from regime.plots.words import field_name, option_name
from regime.ui.form.config_form import ConfigForm, Part

WRITTEN: dict[str, list[Any]] = tomllib.loads((FOLDER / "forms.toml").read_text(encoding="utf-8"))
"""Parts of each form: names of fields, or attributes of a part."""
HEADERS = {None: "Auto", True: "Yes", False: "No"}


def form(kind: str, config: type[Config] | None, start: Mapping[str, Any], **known: Any) -> ConfigForm:
    """Build a form as it is written.

    Args:
        kind: its name.
        config: whose fields its controls set; None where they are no configuration's.
        start: its first values.
        known: further attributes of parts by their names; or the parts in their place.
    """

    def parts(written: Sequence[Any]) -> list[Part]:
        found: list[Part] = []
        for each in written:
            fields = {"name": each} if isinstance(each, str) else dict(each)
            name, inner = fields["name"], fields.pop("parts", WRITTEN.get(fields["name"], ()))
            if kind not in fields.pop("only", [kind]):
                continue
            if isinstance(more := known.get(name, {}), list):
                found += more
                continue
            if isinstance(options := fields.get("options"), list):
                fields["options"] = named(options)
            fields |= more
            field = config is not None and name in config.model_fields
            found.append(setting(config, **fields) if field else Part(**fields, parts=parts(inner)))
        return found

    known = {"header": {"options": HEADERS}, **known}
    return ConfigForm(kind, parts(WRITTEN[kind]), start)


def named(options: Any) -> dict[Any, str]:
    """Return options with their names."""
    return {option: option_name(str(option)) for option in options}


def setting(config: type[Config], name: str, label: str = "", note: str | None = None, **more: Any) -> Part:
    """Return the control of a field.

    Args:
        config: whose field it is.
        name: of the field.
        label: the field in words; without it, its name.
        note: a line below; without it, the field's description.
        more: further attributes of the part.
    """
    schema = config.properties()[name]
    ways = {way.get("type"): way for way in schema.get("anyOf", [schema])}
    about = {
        "label": label or field_name(name),
        "note": _sentences(schema["description"]) if note is None else note,
    }
    text, amount = ways.get("string", {}), ways.get("integer", ways.get("number", {}))
    if "enum" in text or "options" in more:
        about |= {"control": "choice", "options": named(text.get("enum", ()))}
    elif "boolean" in ways:
        about |= {"control": "box"}
    elif amount and not text:
        bounds = {"min": amount.get("minimum"), "max": amount.get("maximum")}
        about |= {"control": "number", "bounds": {end: value for end, value in bounds.items() if value is not None}}
    many = ways.get("array", {}).get("items", {}).get("type") == "string"
    return Part(name, **{**about, "many": many, **more})


def _sentences(description: str) -> str:
    """Return what a schema says of a field as the page says it: in sentences, options by their names, null as empty."""
    text = re.sub(r"'([a-z-]+)'", lambda match: option_name(match[1]), description).replace("null:", "empty:")
    return "".join(f"{part[0].upper()}{part[1:]}. " for part in text.split("; ")).rstrip()
