"""Reads [{"reference": WAV, "heard": WAV, "mode": "wb" or "nb"}, …] and writes [{"pesq": …, "stoi": …}, …].

PESQ is ITU-T P.862 (P.862.2 for wb) of the package pesq, STOI that of pystoi. Pieces of 8 s are scored from the fourth
second on, so that the receiver has met the network; each is moved to where it is most like the reference, because a receiver
changes its delay.
"""
import json, sys, wave
import numpy
from pesq import pesq
from pystoi import stoi

def read(path):
    with wave.open(path) as file:
        return file.getframerate(), numpy.frombuffer(file.readframes(file.getnframes()), dtype=numpy.int16).astype(numpy.float64)

def shift(reference, heard):
    """By how many samples what is heard comes later."""
    size = 1 << int(numpy.ceil(numpy.log2(len(reference) + len(heard))))
    like = numpy.fft.irfft(numpy.fft.rfft(heard, size) * numpy.conj(numpy.fft.rfft(reference, size)), size)
    by = int(numpy.argmax(like))
    return by - size if by > size // 2 else by

def piece(heard, start, length):
    """Silence where nothing was heard."""
    known = heard[max(start, 0):max(start + length, 0)]
    before = min(max(-start, 0), length)
    return numpy.concatenate([numpy.zeros(before), known, numpy.zeros(length - before - len(known))])

def score(case):
    rate, reference = read(case["reference"])
    heard = read(case["heard"])[1]
    pieces, length = [], 8 * rate
    by = shift(reference, heard) if len(heard) else 0
    for start in range(4 * rate, len(reference) - length + 1 if len(heard) else 0, length):
        said = reference[start:start + length]
        there = start + by
        there += shift(said, piece(heard, there, length))
        pair = said, piece(heard, there, length)
        pieces.append((pesq(rate, *pair, case["mode"]), stoi(*pair, rate)))
    if not pieces:
        return {"pesq": None, "stoi": None}
    mean = numpy.mean(pieces, axis=0)
    return {"pesq": round(float(mean[0]), 3), "stoi": round(float(mean[1]), 3)}

json.dump([score(case) for case in json.load(sys.stdin)], sys.stdout)
