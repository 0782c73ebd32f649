"""Griffe extension: the API pages show the value of a default, not the constant's name."""

import ast

from griffe import Attribute, ExprName, Extension, Function, GriffeLoader


class DefaultValues(Extension):
    """Replaces defaults that are names of constants by their literal values."""

    def on_function(self, *, func: Function, loader: GriffeLoader, **kwargs: object) -> None:
        """Look at the parameters of a function once the package is loaded."""
        for parameter in func.parameters:
            value = _literal(loader, parameter.default)
            if value is not None:
                parameter.default = value


def _literal(loader: GriffeLoader, default: object) -> str | None:
    """Return the source of the constant that a name stands for, if it is a literal."""
    if not isinstance(default, ExprName):
        return None
    try:
        constant = loader.modules_collection[default.canonical_path]
        if not isinstance(constant, Attribute):
            return None
        return repr(ast.literal_eval(str(constant.value)))
    except (KeyError, ValueError, SyntaxError):
        return None
