"""This module is the command `python -m training recipes`."""

from __future__ import annotations

import click

from fer_export.cli.output import Output, command


@click.command("recipes")
@command
def main(output: Output) -> None:
    """List the recipes with what each reproduces and the figure that its source states.

    \b
    Examples:
      python -m training recipes
      python -m training recipes --json
    """
    from training.recipe import TORCHVISION, names, read_recipe

    listed = []
    for name in names():
        recipe = read_recipe(name if name != TORCHVISION else f"{TORCHVISION}:resnet18")
        shown = name if name != TORCHVISION else f"{TORCHVISION}:NAME"
        epochs = " + ".join(str(stage.epochs) for stage in recipe.stages)
        listed.append(
            {
                "recipe": shown,
                "about": recipe.about,
                "published": recipe.published,
                "epochs": epochs,
                "size": recipe.size,
            }
        )
        output.text(shown)
        output.text(f"  {recipe.about}")
        output.text(
            f"  {recipe.size}×{recipe.size}, {epochs} epochs"
            + (f", published: {recipe.published}" if recipe.published else "")
            + (f", starts from {recipe.pretrained} weights" if recipe.pretrained else "")
        )
    output.add(recipes=listed)
    output.next(f"python -m training fit --recipe {listed[0]['recipe']} --data FOLDER")
