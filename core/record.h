/* Records: the one interchange. Every command that measures writes them; every command that
 * shows or judges reads them and nothing else.
 *
 * One JSON file a record, written whole or not at all:
 *   { "schema": "tiebreak-record/1", "kind": "train" | "eval" | "bench",
 *     "id":     sha256 of the canonical text of "asked" (keys sorted, no blanks), 16 hex digits,
 *     "asked":  what was asked: the cell (below); nothing that was measured,
 *     "result": what came out,
 *     "where":  { "device", "cpu", "threads", "os", "compiler", "flags", "commit", "dirty", "version", and on a device that is not the host "gpu":
 *                 what it says of itself as texts (kernels/facts.h): "name", "compute_capability", "driver", "cublas", "power_limit_w", ... },
 *     "created": "2026-01-31T12:00:00Z" }
 *
 * kind eval:  asked  = { "base": {"name", "sha256"}, "task", "task_version", "prompt", "data":
 * {"name", "sha256"}, "limit", "metrics",
 *                        "adapter": null (the base alone) or { "method", "spec", "rank", "alpha", "sites", "seed", "steps", "lr", "batch", "train":
 * {...all of it}, "sha256" } } and, only where they were asked, "dtype" ("bf16"), "max_length",
 * "shuffle_seed", "fewshot": {"k", "draw", "seed", "data"}, "device" where it is not the host.
 * result = { "n", "metrics": { NAME: {"value", "stderr", "better": "higher"|"lower"} },
 * "trainable", "adapter_bytes", "prompt_sha256": of all prompts, targets and choices,
 * "adapter_delta": how far the adapter moves the base's logits on the first items, "samples":
 * file name, "wall_s", "tokens_per_s", "peak_bytes" (of the host) and "device_peak_bytes", ... }
 * For the method "full" the base is the untuned base, "rank" is null and "trainable" counts
 * every weight. A served model's base has sha256 null and its "url"; "max_length" stands beside
 * it, "tokenizer" and "gen_kwargs" when used, and the device is "http". kind train: asked = the
 * same "base", "task", "data" and "adapter" without its sha256, "device" and "dtype"; result = {
 * "steps", "loss_first", "loss_last", "trainable", "adapter_bytes", "wall_s", "tokens_per_s",
 * "peak_bytes", "device_peak_bytes" } kind bench: asked  = { "case", "op":
 * "fwd"|"bwd"|"fwd+bwd"|"decode", "method", "tied": bool, "rank", "shape", "site", "d_in",
 * "d_out", "tokens", "layers" (or, where asked, "mode": "hot"|"cold" and "sets", and "variant"
 * of kernels/variant.h, with "adapters", "popularity" and "distinct" where rows take many),
 * "device", "dtype", "threads" } result = { "base_ns": [samples], "case_ns": [samples],
 * "overhead": median of paired case/base - 1 (the case holds the base GEMM too), "overhead_low",
 * "overhead_high" (95 %), "flops", "bytes", "base_flops", "base_bytes", "n", "clock": "host" or
 * "device", "warm_s", "warm_pairs", "settled": bool, "same_bits": two runs on the same arrays
 * gave the same, "gemm_flops_per_s" and "copy_bytes_per_s": the device's own rates, measured
 * once a run, "floor_ns": of the case in one pass at those rates, "share_of_floor": floor /
 * median, "ops_floor_ns": sum over its ops, "base_floor_ns", "base_share_of_floor"; where the
 * device has a clock "base_mhz": [samples], "case_mhz", "settled_mhz", "rejected": pairs below
 * 75 % of it, of many adapters "moved_over_base": the variant's own bytes over the base's - 1,
 * "launches", "base_launches", and for few rows "base_waited_ns": [samples] and "case_waited_ns"
 * of the host's clock around one call } (bench/floor.h, bench/clock.h). Older records end at
 * "clock". */
#ifndef TIEBREAK_CORE_RECORD_H
#define TIEBREAK_CORE_RECORD_H
#include "core/json.h"

/* { "name", "sha256" } of a file or folder: the last part of its path, whatever slashes end it. */
json *record_named(const char *path, const char *sha256);
/* 16 hex digits + NUL of the canonical text of asked. */
void record_id(const json *asked, char out[17]);
/* The same of an eval's asked without the adapter's training seed and what came of it ("seed",
 * "sha256", "train"/"seed"): runs of one cell that differ in nothing else share it. */
void record_cell_id(const json *asked, char out[17]);
/* A whole record; takes ownership of asked and result. threads: as used. */
json *record_new(const char *kind, json *asked, json *result, const char *device, int threads);
int   record_write(const json *record, const char *path);
/* Read and check: schema, kind, id matching asked, required members. Errors name file and member. */
int record_read(json **out, const char *path);
/* All records (files *.json whose schema is ours) under a folder, sorted by path; other JSON
 * files are skipped, broken records are errors. Returns OK with *n records the caller frees one
 * by one. */
int record_scan(json ***out, int64_t *n, const char *dir);
#endif
