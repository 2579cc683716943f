"""What calibration measured of one store, as its quantizers need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class StoreStatistics:
    """Second moments of a store (rows, cols), summed over all sites that read it in the calibration mode.

    A site multiplies x (cols,) by the store, or looks rows up; g (rows,) is the gradient of the loss of a token, in
    nats, with respect to what comes out. A tied embedding has sites of both roles, and the sum of their moments: its
    `outputs` weigh both alike, which holds where rows of the head's inputs have a mean square of about one.

    Attributes:
        tokens: that were run; every mean is over these, so a store of two sites has the sum of two means.
        sites: that read the store.
        inputs: float32 (cols, cols), mean of x x^T: the Hessian of GPTQ. Of a lookup: the identity times the mean
            number of lookups of a row.
        weighted: float32 (cols, cols), mean of x x^T times the mean over rows of g^2: half of sum_i e_i^T weighted e_i
            is the rise of the loss, nats a token, for an error e of the rows. Of a lookup: the diagonal of the mean
            of g^2, over the rows.
        outputs: float64 (rows,), mean of g^2.
    """

    tokens: int
    sites: int
    inputs: npt.NDArray[np.float32]
    weighted: npt.NDArray[np.float32]
    outputs: npt.NDArray[np.float64]
