"""What docs/api.md shows beyond what griffe reads in the code: examples as code, and what `with_keywords` adds."""

import re

import griffe


class Face(griffe.Extension):
    """Named in mkdocs.yml."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Google's `Example:` becomes griffe's `Examples:`, whose `>>>` it shows as code."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        """The signature that `with_keywords` gives a method, which griffe, running nothing, cannot see."""
        if any("with_keywords" in str(decorator.value) for decorator in func.decorators):
            settings = func.parameters["settings"]
            settings.annotation, settings.default = f"{settings.annotation} | None", "None"
            func.parameters.add(
                griffe.Parameter("keywords", annotation="Any", kind=griffe.ParameterKind.var_keyword, default="{}")
            )
