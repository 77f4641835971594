"""How a refit fits its mixture: as the older version was asked for, unless something else is stated."""

from __future__ import annotations

from dataclasses import dataclass

from lodestone.cli.errors import CliError
from lodestone.cli.fit.options import CovarianceForm, MixtureWay
from lodestone.cli.words import count_of, reference, word
from lodestone.novelty.v1.profile_pb2 import COVARIANCE_UNSPECIFIED, Covariance, Profile


@dataclass(frozen=True, slots=True)
class MixtureWish:
    """What --components, --covariance and --seed of a refit say; None is as before.

    Attributes:
        component_count: 0 chooses.
        covariance: `auto` chooses.
        seed: Of every random choice.
    """

    component_count: int | None = None
    covariance: CovarianceForm | None = None
    seed: int | None = None

    def alone(self, base: Profile) -> MixtureWay:
        """For a fit that begins with nothing: what was asked of a version is stated again."""
        asked = _asked(base)
        return MixtureWay(
            asked.component_count if self.component_count is None else self.component_count,
            self.covariance or asked.covariance,
            asked.seed if self.seed is None else self.seed,
        )

    def upon(self, base: Profile) -> MixtureWay:
        """For a refit that begins with a version, where the contract's 0 is `as before`.

        Raises:
            CliError: 0 or `auto` is stated, and the version was asked for something else.
        """
        asked = _asked(base)
        if self.component_count == 0 and asked.component_count:
            _refuse(base, "--components 0", count_of(asked.component_count, "component"))
        if self.covariance is CovarianceForm.AUTO and asked.covariance is not CovarianceForm.AUTO:
            _refuse(base, "--covariance auto", f"{asked.covariance} covariances")
        if self.seed == 0 and asked.seed:
            _refuse(base, "--seed 0", f"seed {asked.seed}")
        return MixtureWay(
            self.component_count or 0, self.covariance or CovarianceForm.AUTO, self.seed or 0
        )


def _asked(base: Profile) -> MixtureWay:
    form = CovarianceForm.AUTO
    if base.asked_covariance != COVARIANCE_UNSPECIFIED:
        form = CovarianceForm(word(Covariance, base.asked_covariance).lower())
    return MixtureWay(base.asked_component_count, form, base.seed)


def _refuse(base: Profile, option: str, asked: str) -> None:
    raise CliError(
        f"{reference(base)} was asked for {asked}, and a refit cannot go back with {option}: "
        "`lodestone profile fit` or --photos can"
    )
