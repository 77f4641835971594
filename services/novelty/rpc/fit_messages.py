"""The messages of a fit, collected as they come."""

from __future__ import annotations

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.fit.liked_set import FitOptions, Role, UnfitEmbedding
from services.novelty.fit.submission import Submission, SubmissionBuilder
from services.novelty.liked_images import ImageLabel
from services.novelty.rpc.messages import label_from_message, options_from_message
from services.servicekit.errors import InvalidInput, ItemRejected
from services.servicekit.messages import embedding_from_message


class FitReader:
    """Reads the messages of one fit, of at most `limit` images in each role."""

    def __init__(self, limit: int) -> None:
        self._builder = SubmissionBuilder(limit)
        self._options: FitOptions | None = None

    def read(self, request: pb.FitProfileRequest) -> None:
        """Takes the next message.

        Raises:
            InvalidInput: It, or an image in it, is wrong; or it is not its turn.
        """
        part = request.WhichOneof("part")
        if self._options is None:
            if part != "options":
                raise InvalidInput("the first message of a fit must hold its options")
            self._options = options_from_message(request.options)
        elif part == "options":
            raise InvalidInput("the options came twice: they are the first message alone")
        elif part is None:
            raise InvalidInput("a message of the fit holds nothing")
        else:
            self._collect(Role(part), getattr(request, part))

    def finish(self) -> tuple[FitOptions, Submission]:
        """What was sent, once all of it came.

        Raises:
            InvalidInput: There were no options, or too few images.
        """
        if self._options is None:
            raise InvalidInput("the stream ended before the options came")
        sent = self._builder.build()
        if not self._options.base_profile:
            sent.to_liked_set()
        return self._options, sent

    def _collect(self, role: Role, batch: pb.EmbeddingBatch) -> None:
        count, labels = len(batch.embeddings), len(batch.labels)
        by_labels_alone = role is Role.REMOVED and not count
        if labels not in {0, count} and not by_labels_alone:
            raise InvalidInput(
                f"a message of {role} images has {count} embeddings and {labels} labels: "
                "give one label each, or none"
            )
        for place in range(max(count, labels)):
            try:
                embedding = embedding_from_message(batch.embeddings[place]) if count else None
            except ItemRejected as error:
                raise UnfitEmbedding(role, self._builder.count(role), error.reason) from error
            self._builder.add(role, embedding, self._label(role, batch, place))

    def _label(self, role: Role, batch: pb.EmbeddingBatch, place: int) -> ImageLabel:
        if not batch.labels:
            return ImageLabel()
        try:
            return label_from_message(batch.labels[place])
        except InvalidInput as error:
            raise UnfitEmbedding(role, self._builder.count(role), str(error)) from error
