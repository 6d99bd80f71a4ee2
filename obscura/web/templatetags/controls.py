"""Template words for form controls: every widget gets its look here, so forms in Python carry no classes."""

from __future__ import annotations

from django import template
from django.forms import BoundField
from django.utils.safestring import SafeString

register = template.Library()

LOOKS = {
    "checkbox": "checkbox checkbox-sm",
    "radio": "radio radio-sm",
    "select": "select",
    "textarea": "textarea",
}


@register.filter
def kind(field: BoundField) -> str:
    """What sort of control a field is: "checkbox", "radio", "select", "textarea", "hidden", or "input"."""
    if field.is_hidden:
        return "hidden"
    input_type = getattr(field.field.widget, "input_type", "textarea")
    return input_type if input_type in LOOKS else "input"


@register.simple_tag
def control(field: BoundField, *, bare: bool = False, quiet: bool = False, mirror: str = "") -> SafeString:
    """The widget of a field in our look.

    :param bare: without a frame, inside one that is drawn already
    :param quiet: without the placeholder, where the label says the same
    :param mirror: id of the control that shows the same value
    """
    own = field.field.widget.attrs.get("class", "")
    look = "grow" if bare else LOOKS.get(kind(field), "input")
    attributes: dict[str, str | bool] = {"class": f"{look} {own}".strip()}
    if quiet:
        attributes["placeholder"] = ""
    if mirror:
        attributes["data-mirror"] = mirror
    return field.as_widget(attrs=attributes)
