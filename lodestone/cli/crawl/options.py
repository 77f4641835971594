"""The options of `lodestone crawl`."""

from __future__ import annotations

from typing import Annotated

import typer

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE...",
        show_default=False,
        help="`commons:Category:NAME`, a folder, a file of URLs, a page and so on; `lodestone sources "
        "--available` lists all kinds. A `.toml` file stands for the sources that it describes.",
    ),
]
CrawlProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="The profile that decides: `landscapes`, or `landscapes@3`.",
    ),
]
ResumeOption = Annotated[
    str, typer.Option(metavar="ID", help="Go on with this crawl, or watch it if it runs.")
]
AddToOption = Annotated[
    str, typer.Option(metavar="ID", help="Add the sources to this crawl instead of a new one.")
]
FollowOption = Annotated[
    bool, typer.Option("--follow", help="Look again and again for what is new, until paused.")
]
PollOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0, help="Wait so long between two looks; 0 is what suits."),
]
LicencesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--licence",
        help="Only this licence: `cc0`, `pd`, `cc-by`, `cc-by-sa-4.0`, or as the source states it; may be given again.",
    ),
]
DenyAuthorsOption = Annotated[
    list[str] | None, typer.Option("--deny-author", help="Nothing by this author.")
]
DenyTitlesOption = Annotated[
    list[str] | None,
    typer.Option("--deny-title", metavar="REGEX", help="Nothing with such a title."),
]
RequireTitlesOption = Annotated[
    list[str] | None,
    typer.Option("--require-title", metavar="REGEX", help="Only with such a title."),
]
DenyFlairsOption = Annotated[
    list[str] | None,
    typer.Option("--deny-flair", metavar="REGEX", help="Nothing with such a flair."),
]
RequireFlairsOption = Annotated[
    list[str] | None,
    typer.Option("--require-flair", metavar="REGEX", help="Only with such a flair."),
]
AllowOver18Option = Annotated[
    bool, typer.Option("--allow-over-18", help="Posts for adults as well.")
]
DenySpoilersOption = Annotated[
    bool, typer.Option("--deny-spoilers", help="No posts marked as spoilers.")
]
MaxListingsOption = Annotated[
    int, typer.Option(min=0, help="Stop after so many listings; 0 is no limit.")
]
MaxAcceptedOption = Annotated[
    int, typer.Option(min=0, help="Stop after so many accepted images; 0 is no limit.")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Leave it running and return at once.")
]
