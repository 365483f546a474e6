"""Records of published weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from wsss_assets.catalog.records.base import Record
from wsss_assets.catalog.records.fields import (
    DriveId,
    FileName,
    HttpsUrl,
    Line,
    MapSetId,
    Md5,
    Name,
    Sha256,
    Supervision,
)

__all__ = ["PublishedWeights", "WeightsSource"]


class WeightsSource(Record):
    """A place of published weights; exactly one of the first three is given.

    Attributes:
        url: a file that anybody can fetch.
        drive: id of a file on Google Drive, or of a folder that holds it.
        page: a page from which only a person can get it.
        access_code: what that page asks for.
        member: what is there is a zip archive, and this the name, without folders, of the file
            in it; None: it is the file itself, or the person on the page sees to that.
        note: what to take there, or what is not known of it.
    """

    url: HttpsUrl | None = None
    drive: DriveId | None = None
    page: HttpsUrl | None = None
    access_code: Line | None = None
    member: FileName | None = None
    note: Line | None = None

    @model_validator(mode="after")
    def _one_place(self) -> WeightsSource:
        if sum(place is not None for place in (self.url, self.drive, self.page)) != 1:
            raise ValueError("a source is one of url, drive and page")
        return self

    @property
    def address(self) -> str:
        """What a browser opens."""
        if self.drive is not None:
            return f"https://drive.google.com/open?id={self.drive}"
        return str(self.url or self.page)


class PublishedWeights(Record):
    """The trained weights of a network, as somebody published them.

    Attributes:
        id: its name.
        model: name of the network that loads them.
        classes: how many classes that network has, without background; None: it makes saliency
            maps.
        title: what they are, in a few words.
        sources: where they lie, the best place first.
        file_name: what the file is called here.
        size: bytes; None: not known.
        sha256: its digest; None: not known, recorded when the file is first seen.
        md5: another digest of it, where one is published.
        licence: of the weights; None: not stated by their authors.
        code_licence: of the repository that publishes them; None: none stated.
        trained_on: keys of the annotated training sets; empty: none; None: not stated.
        supervision: the strongest annotation behind them; None: not known.
        saliency: id of the saliency maps that the method was trained with; None: with none, or
            it is not stated with which, as `note` then says.
        citations: keys of BibTeX entries.
        needs: ids of weights that the network needs besides.
        default: whether they are taken where no others are named; of a network for so many
            classes at most one is.
        regenerates: ids of map sets that a network of this kind made, with the same training
            set; whether with these weights is for the map set's `regeneration` to say.
        note: what a user must know.
    """

    id: Name
    model: Name
    classes: PositiveInt | None = None
    title: Line
    sources: Annotated[tuple[WeightsSource, ...], Field(min_length=1)]
    file_name: FileName
    size: PositiveInt | None = None
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    licence: Line | None = None
    code_licence: Line | None = None
    trained_on: tuple[Name, ...] | None = None
    supervision: Supervision | None = None
    saliency: MapSetId | None = None
    citations: tuple[Name, ...]
    needs: tuple[Name, ...] = ()
    default: bool
    regenerates: tuple[MapSetId, ...] = ()
    note: Line | None = None
