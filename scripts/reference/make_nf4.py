"""Weights in NF4 with double quantisation, by the rules that kernels/nf4.h states: codes, scales and values of three small matrices.

Codes and scales of the weights must equal bitsandbytes', which is asked; its scales' codes and its values are not taken, for its CPU kernels are wrong there
(it takes a neighbour of the nearest code near zero, and looks scales up by the row).
"""

import numpy as np
import torch
from bitsandbytes import functional

from common import rng, write_tensors

VALUES = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
                   0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)


def scale_values():
    """The library's 256 values of eight bits."""
    values = [0.0, 1.0]
    for i in range(7):
        ends = torch.linspace(0.1, 1, 2**i + 1)
        centres = ((10 ** (i - 6)) * (ends[:-1] + ends[1:]) / 2.0).tolist()
        values += centres + [-c for c in centres]
    return np.sort(np.array(values, np.float32))


def nearest(values, x):
    """The nearest of ascending values; a tie goes to the lower."""
    return np.searchsorted((values[:-1] + values[1:]) / np.float32(2), x, side="left").astype(np.uint8)


def quantise(w):
    flat, eight = w.ravel(), scale_values()
    absmax = np.array([np.abs(flat[i : i + 64]).max() for i in range(0, flat.size, 64)], np.float32)
    inverse = np.float32(1) / np.where(absmax > 0, absmax, np.float32(1))
    codes = nearest(VALUES, flat * np.repeat(inverse, 64)[: flat.size])
    if codes.size % 2:
        codes = np.append(codes, np.uint8(7))
    offset = np.float32(np.float32(absmax.astype(np.float64).sum()) / np.float32(absmax.size))
    rest = absmax - offset
    outer = np.array([np.abs(rest[i : i + 256]).max() for i in range(0, rest.size, 256)], np.float32)
    per = np.repeat(outer, 256)[: rest.size]
    nested = nearest(eight, np.where(per > 0, rest / np.where(per > 0, per, np.float32(1)), np.float32(0)))
    scales = eight[nested] * per + offset
    values = VALUES[codes[: flat.size]] * np.repeat(scales, 64)[: flat.size]
    return {"packed": codes[0::2] << 4 | codes[1::2], "absmax": absmax, "nested_codes": nested, "nested_absmax": outer,
            "nested_offset": np.array([offset]), "nested_dequantised_f32": values.reshape(w.shape)}


def main():
    arrays, r = {}, rng("nf4")
    for name, shape, heavy in (("whole_40x64", (40, 64), 0), ("odd_13x21", (13, 21), 0), ("long_70x241", (70, 241), 1)):
        w = r.standard_normal(shape).astype(np.float32)
        if heavy:
            w[r.random(shape) < 0.01] *= 20
        made = quantise(w)
        packed, state = functional.quantize_4bit(torch.from_numpy(w), blocksize=64, quant_type="nf4", compress_statistics=False)
        assert np.array_equal(packed.numpy().ravel(), made["packed"]), name
        assert np.array_equal(state.absmax.numpy(), made["absmax"]), name
        arrays.update({f"{name}/{k}": v for k, v in {"w": w, **made}.items()})
    write_tensors("model/golden/nf4/nf4.safetensors", arrays)


main()
