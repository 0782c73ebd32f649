"""Brain mask, shells, tensor maps and GQI maps."""
