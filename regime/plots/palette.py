"""The colors of the page, its canvases and the figures: color is data, everything else is neutral ink."""

PALETTE = {
    "net": ("#1f4fa3", "#7fb0ff"),
    "twin": ("#c2500a", "#ff9e57"),
    "second": ("#1f7a6c", "#58c2af"),
    "layer": ("#1f7a6c", "#58c2af"),
    "layer-soft": ("#3fa08f", "#2f8f80"),
    "amount-0": ("#f4f0f7", "#1b1720"),
    "amount-1": ("#d3bce3", "#4b2e60"),
    "amount-2": ("#9c64bf", "#9560ba"),
    "amount-3": ("#6b2c91", "#d6a9f7"),
    "zone-lazy": ("#ede8f2", "#2a2530"),
    "zone-mixed": ("#dccde8", "#3f2f4c"),
    "zone-rich": ("#c3a4d8", "#5b3f70"),
    "rich-ink": ("#6b2c91", "#d6a9f7"),
    "mixed-ink": ("#8347ac", "#c295e4"),
    "fn-zero": ("#fbfbfa", "#171b22"),
    "fn-low": ("#df8c35", "#df8c35"),
    "fn-high": ("#4682c9", "#4682c9"),
    "pos": ("#1f4fa3", "#d7e6ff"),
    "neg": ("#a3480c", "#ffe1c7"),
    "point-edge": ("#fff", "#171b22"),
    "fn-opacity": ("1", ".86"),
    "ground": ("#fff", "#0f1217"),
    "panel": ("#f6f7f9", "#171b22"),
    "ink": ("#14181f", "#e9ecf1"),
    "ink-2": ("#4b5562", "#a9b2be"),
    "hairline": ("#e3e6eb", "#272d37"),
    "edge": ("#c9ced6", "#3a424e"),
    "rail": ("#c9d0da", "#3a4350"),
    "button": ("#1d2530", "#e9ecf1"),
    "bar": ("#8d93a0", "#7d8592"),
    "pinned": ("#6b7280", "#8c96a4"),
    "kernel": ("#16263d", "#e3edfb"),
    "label-0": ("#c2500a", "#ff9e57"),
    "label-1": ("#1f4fa3", "#7fb0ff"),
    "label-2": ("#1f7a6c", "#58c2af"),
    "label-3": ("#8347ac", "#d6a9f7"),
    "label-4": ("#a8246b", "#ff8fbe"),
    "label-5": ("#7a6200", "#d9c14a"),
    "label-6": ("#3b82b8", "#8fd3ff"),
    "label-7": ("#5b5f67", "#b5bcc7"),
}
"""By name: in light, and in dark."""

LIGHT = {name: light for name, (light, _) in PALETTE.items()}


def sheet() -> str:
    """Return the palette as variables of a style sheet."""
    modes = ((":root", 0), (".dark", 1))
    return "".join(
        f"{where} {{ {' '.join(f'--{name}: {colors[mode]};' for name, colors in PALETTE.items())} }}\n" for where, mode in modes
    )
