"""The novelty service, as the fakes have it: profiles in memory, with answers that tests can foresee."""

from __future__ import annotations

import math
import threading

import grpc

from lodestone.image.v1 import verdict_pb2
from lodestone.novelty.v1 import novelty_service_pb2, profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceServicer

LIKED_FLOOR = 8


def _share(expected):
    low, high = expected / 2, (1 + expected) / 2
    return profile_pb2.ShareEstimate(expected=expected, low=low, high=high, confidence=0.95)


class FakeNovelty(NoveltyServiceServicer):
    """Keeps profiles in memory; a threshold is the count of liked images.

    Attributes:
        fits: (options, liked, background) of every fit; with a base profile `liked` is what was added.
        labels: The labels of the liked images of every fit.
        removed: The `removed` batches of every fit.
        sees_duplicates: Whether every image of a fit repeats the first.
        scores_many: False answers a message of many embeddings like a server that does not know them.
        batch_sizes: How many embeddings each such message had.
        thumbnails: Of every version, by `name@version`; `telling` is how many liked images are worth one.
        picky: Refuses thumbnails.
        updates: Every UpdateProfileRequest.
        forgets_liked: Knows no liked images, like a service with a profile of an earlier format.
        damaged_thumbnails: Refuses to give out thumbnails.
        mapped: The given embeddings of every map.
        full_times: How many fits to turn away yet, for there are too many.
        fitting, may_fit: Set once all of a fit has come; cleared holds fits up.
    """

    def __init__(self):
        self.fits = []
        self.labels = []
        self.removed = []
        self.sees_duplicates = False
        self.scores_many = True
        self.batch_sizes = []
        self.thumbnails = {}
        self.telling = 64
        self.picky = False
        self.updates = []
        self.forgets_liked = False
        self.damaged_thumbnails = False
        self.full_times = 0
        self.mapped = []
        self.fitting, self.may_fit = threading.Event(), threading.Event()
        self.may_fit.set()
        self._profiles = {}
        self._liked = {}
        self._by_request = {}

    def FitProfile(self, requests, context):  # noqa: N802 - the contract's name
        options = next(requests).options
        liked, labels, background, removed = [], [], [], []
        for request in requests:
            part = getattr(request, request.WhichOneof("part"))
            if request.HasField("removed"):
                removed.append(part)
            elif request.HasField("background"):
                background += part.embeddings
            else:
                liked += part.embeddings
                labels += part.labels or [profile_pb2.ImageLabel() for _ in part.embeddings]
        if self.full_times:
            self.full_times -= 1
            details = "the fit queue is full (4 items); try again later"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        self.fitting.set()
        self.may_fit.wait(30)
        self.fits.append((options, liked, background))
        self.labels.append(labels)
        self.removed.append(removed)
        all_liked = self._without(options, removed, context) + list(zip(liked, labels, strict=True))
        if len(all_liked) < LIKED_FLOOR:
            details = f"{len(all_liked)} liked embeddings are fewer than {LIKED_FLOOR}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        if options.request_id not in self._by_request:
            self._by_request[options.request_id] = self._fit(options, all_liked, background)
        profile = self._by_request[options.request_id]
        return novelty_service_pb2.FitProfileResponse(profile=profile)

    def GetProfile(self, request, context):  # noqa: N802 - the contract's name
        profile = self._find(request.profile, context)
        return novelty_service_pb2.GetProfileResponse(profile=profile)

    def ListProfiles(self, request, context):  # noqa: N802 - the contract's name
        newest = [self._there(name)[-1] for name in sorted(self._profiles) if self._there(name)]
        return novelty_service_pb2.ListProfilesResponse(profiles=newest)

    def UpdateProfile(self, request, context):  # noqa: N802 - the contract's name
        self.updates.append(request)
        base = self._find(request.profile, context)
        way = request.WhichOneof("threshold")
        if way == "pass_ratio" and not base.background_count:
            details = f"{base.name}@{base.version} has no background sample"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        value = getattr(request, way)
        threshold = value if way == "threshold_nats" else 100.0 * value
        if threshold == base.threshold_nats:
            return novelty_service_pb2.UpdateProfileResponse(profile=base)
        profile = profile_pb2.Profile()
        profile.CopyFrom(base)
        profile.threshold_nats = threshold
        profile.keep_ratio = profile.pass_ratio = 0.0
        if way != "threshold_nats":
            setattr(profile, way, value)
        profile.expected_keep.CopyFrom(_share(value if way == "keep_ratio" else 0.5))
        profile.base_profile = f"{base.name}@{base.version}"
        self._liked[self._append(profile)] = self._liked[profile.base_profile]
        return novelty_service_pb2.UpdateProfileResponse(profile=profile)

    def DeleteProfile(self, request, context):  # noqa: N802 - the contract's name
        found = self._find(request.profile, context)
        versions = self._profiles[found.name]
        chosen = [found] if "@" in request.profile else self._there(found.name)
        for profile in chosen:
            versions[profile.version - 1] = None
        deleted = [profile.version for profile in chosen]
        return novelty_service_pb2.DeleteProfileResponse(versions=deleted)

    def ListLikedImages(self, request, context):  # noqa: N802 - the contract's name
        profile = self._find_liked(request.profile, context)
        reference = f"{profile.name}@{profile.version}"
        thumbnails = {one.position: one.jpeg for one in self.thumbnails.get(reference, ())}
        liked = list(enumerate(self._liked[reference]))
        if request.selection == novelty_service_pb2.LIKED_SELECTION_TELLING:
            liked = liked[: self.telling]
        if request.selection == novelty_service_pb2.LIKED_SELECTION_WITH_THUMBNAIL:
            if self.damaged_thumbnails:
                details = f"profile {reference} is damaged: thumbnails/0.jpg is missing"
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, details)
            liked = [(position, one) for position, one in liked if position in thumbnails]
        for position, (_, label) in liked:
            image = profile_pb2.LikedImage(position=position, label=label)
            if position and self.sees_duplicates:
                image.duplicate_of = 0
            else:
                image.held_out_log_likelihood = 10.0 + position
            if request.selection == novelty_service_pb2.LIKED_SELECTION_WITH_THUMBNAIL:
                image.thumbnail = thumbnails[position]
            yield novelty_service_pb2.ListLikedImagesResponse(image=image)

    def PutThumbnails(self, request, context):  # noqa: N802 - the contract's name
        profile = self._find(request.profile, context)
        if self.picky or not 1 <= len(request.thumbnails) <= 64:
            details = f"{len(request.thumbnails)} thumbnails are not 1 to 64"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        for one in request.thumbnails:
            kind = (one.embedding.encoder_id, one.embedding.precision)
            if kind != (profile.encoder_id, profile.precision):
                details = "a thumbnail is of another encoder or precision"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        places = {one.position for one in request.thumbnails}
        carried = self.thumbnails.get(request.profile, ())
        others = [one for one in carried if one.position not in places]
        self.thumbnails[request.profile] = [*request.thumbnails, *others]
        profile.thumbnail_count = len(self.thumbnails[request.profile])
        return novelty_service_pb2.PutThumbnailsResponse(thumbnail_count=profile.thumbnail_count)

    def MapEmbeddings(self, request, context):  # noqa: N802 - the contract's name
        profile = self._find_liked(request.profile, context)
        self.mapped.append(list(request.embeddings))
        counts = (profile.liked_count, profile.background_count, len(request.embeddings))
        points = []
        for role, count in enumerate(counts, start=novelty_service_pb2.MAP_ROLE_LIKED):
            for position in range(count):
                angle = 2 * math.pi * position / count
                points.append(
                    novelty_service_pb2.MapPoint(
                        role=role,
                        position=position,
                        x=math.cos(angle) * role / 3,
                        y=math.sin(angle) * role / 3,
                        log_likelihood=10.0 + position if role != 2 else -1.0,
                    )
                )
        return novelty_service_pb2.MapEmbeddingsResponse(points=points)

    def CheckPrecision(self, request, context):  # noqa: N802 - the contract's name
        self._find(request.profile, context)
        check = profile_pb2.PrecisionCheck(
            precision=request.embeddings[0].precision,
            image_count=len(request.embeddings),
            admitted=True,
        )
        return novelty_service_pb2.CheckPrecisionResponse(precision_check=check)

    def ExplainEmbeddings(self, request, context):  # noqa: N802 - the contract's name
        profile = self._find(request.profile, context)
        liked = self._liked[f"{profile.name}@{profile.version}"]
        neighbours = [
            profile_pb2.LikedNeighbour(
                image=profile_pb2.LikedImage(position=position, label=label),
                cosine_similarity=0.9,
            )
            for position, (_, label) in enumerate(liked[: request.neighbour_count or 3])
        ]
        results = [
            novelty_service_pb2.ExplainResult(
                value=novelty_service_pb2.Explanation(
                    score=self._score(request.profile).value, neighbours=neighbours
                )
            )
            for _ in request.embeddings
        ]
        return novelty_service_pb2.ExplainEmbeddingsResponse(results=results)

    def ScoreEmbeddings(self, request, context):  # noqa: N802 - the contract's name
        results = [self._score(request.profile) for _ in request.embeddings]
        return novelty_service_pb2.ScoreEmbeddingsResponse(results=results)

    def StreamScoreEmbeddings(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            if request.embeddings and self.scores_many:
                yield self._score_many(request)
                continue
            yield novelty_service_pb2.StreamScoreEmbeddingsResponse(
                id=request.id, result=self._score(request.profile)
            )

    def _score_many(self, request):
        self.batch_sizes.append(len(request.embeddings))
        results = [
            self._score(request.profile, percentile=embedding.values[0])
            for embedding in request.embeddings
        ]
        return novelty_service_pb2.StreamScoreEmbeddingsResponse(id=request.id, results=results)

    def _score(self, name, percentile=40.0):
        score = novelty_service_pb2.Score(
            log_likelihood=12.5, percentile=percentile, verdict=verdict_pb2.VERDICT_ACCEPTED
        )
        return novelty_service_pb2.ScoreResult(value=score)

    def _there(self, name):
        return [profile for profile in self._profiles.get(name, ()) if profile is not None]

    def _find(self, reference, context):
        name, _, version = reference.partition("@")
        for profile in reversed(self._there(name)):
            if version in ("", str(profile.version)):
                return profile
        return context.abort(grpc.StatusCode.NOT_FOUND, f"there is no profile {reference!r}")

    def _find_liked(self, reference, context):
        profile = self._find(reference, context)
        if self.forgets_liked:
            details = (
                f"{reference} was fitted before profiles kept their liked images: fit it again"
            )
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, details)
        return profile

    def _without(self, options, removed, context):
        """The liked images of the base profile without those removed: by digest, or by the very embedding."""
        if not options.base_profile:
            return []
        base = self._find(options.base_profile, context)
        remaining = list(self._liked[f"{base.name}@{base.version}"])
        for batch in removed:
            for index in range(max(len(batch.embeddings), len(batch.labels))):
                digest = batch.labels[index].digest if batch.labels else ""
                found = [
                    one
                    for one in remaining
                    if (digest and one[1].digest == digest)
                    or (batch.embeddings and one[0] == batch.embeddings[index])
                ]
                if not found:
                    details = f"{options.base_profile} was not fitted to removed[{index}]"
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
                remaining = [one for one in remaining if one not in found]
        return remaining

    def _append(self, profile):
        versions = self._profiles.setdefault(profile.name, [])
        profile.version = len(versions) + 1
        versions.append(profile)
        return f"{profile.name}@{profile.version}"

    def _fit(self, options, all_liked, background):
        liked = [embedding for embedding, _ in all_liked]
        profile = profile_pb2.Profile(
            name=options.name,
            threshold_nats=float(len(liked)),
            keep_ratio=options.keep_ratio,
            pass_ratio=options.pass_ratio,
            separation=0.98 if background else None,
            neighbour_separation=0.97 if background else None,
            expected_keep=_share(0.9),
            expected_pass=_share(0.01) if background else None,
            duplicates=[
                profile_pb2.Duplicate(position=index, duplicate_of=0)
                for index in range(1, len(liked))
                if self.sees_duplicates
            ],
            duplicate_count=len(liked) - 1 if self.sees_duplicates else 0,
            encoder_id=liked[0].encoder_id,
            precision=liked[0].precision,
            dimension=len(liked[0].values),
            component_count=options.component_count or 2,
            covariance=options.covariance,
            asked_component_count=options.component_count,
            asked_covariance=options.covariance,
            seed=options.seed,
            liked_count=1 if self.sees_duplicates else len(liked),
            background_count=len(background),
            held_out_log_likelihoods=[10.0 + index for index in range(len(liked))],
            background_log_likelihoods=[float(-index) for index in range(len(background))][::-1],
            warnings=[f"{len(liked)} photos make a small profile"],
            base_profile=options.base_profile,
        )
        profile.create_time.FromJsonString("2026-11-22T10:00:00Z")
        reference = self._append(profile)
        self._liked[reference] = all_liked
        self.thumbnails[reference] = self._carried_over(options.base_profile, all_liked)
        profile.thumbnail_count = len(self.thumbnails[reference])
        return profile

    def _carried_over(self, base, all_liked):
        """The thumbnails of the base profile at the new places of their images."""
        places = {label.digest: place for place, (_, label) in enumerate(all_liked) if label.digest}
        carried = []
        for one in self.thumbnails.get(base, ()):
            digest = self._liked[base][one.position][1].digest
            if digest in places:
                carried.append(
                    novelty_service_pb2.Thumbnail(
                        position=places[digest], jpeg=one.jpeg, embedding=one.embedding
                    )
                )
        return carried
