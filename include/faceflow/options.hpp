// SPDX-License-Identifier: Apache-2.0
// Everything that can be chosen about an engine. The command line and configuration files set the same fields, under the
// same names. A value that makes no sense is errc::invalid_argument, and error::option says which it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace faceflow {

enum class detector : std::uint8_t {
    retinaface,  // default; its weights are for non-commercial research
    blazeface,   // free for any use; for faces that fill at least some 5 % of the frame's width
};

// How stages are joined: in one process, or in several.
enum class flow_kind : std::uint8_t {
    fused,     // default: one pass from the frame to its faces
    threaded,  // a thread for each stage
    shared,    // processes that share the device's memory
    cached,    // processes, of which the first keeps a cache of frames
    copied,    // processes that send each other whole frames
};

// What runs models.
enum class inference_backend : std::uint8_t {
    automatic,    // native, but on CUDA devices cuda for fp32 and tf32, and ONNX Runtime for a model without a plan
    native,       // faceflow's own kernels, which on CUDA devices need the driver alone
    onnxruntime,  // where the build has it; on CUDA devices the same as cuda
    cuda,         // ONNX Runtime's CUDA provider, where that is installed
    tensorrt,     // ONNX Runtime's TensorRT provider, where that is installed
};

// What models compute in.
enum class precision : std::uint8_t {
    automatic,  // on CUDA devices fp16 for native, else fp32
    fp32,
    tf32,  // CUDA devices: products with 10 bits behind the point
    fp16,  // CUDA devices: products of halves with sums in fp32, on tensor cores (native), or what TensorRT makes of it
    bf16,  // CPUs with AVX512_BF16: most products of bfloat16s with sums in fp32 (native)
};

// As the command line and configuration files have them: "auto" is automatic.
[[nodiscard]] std::string_view name(flow_kind kind) noexcept;
[[nodiscard]] std::string_view name(inference_backend by) noexcept;
[[nodiscard]] std::string_view name(precision in) noexcept;

// How frames arrive, and so what matters.
enum class pacing : std::uint8_t {
    recorded,  // frames wait: none is lost, several are worked on at once
    live,      // frames do not wait: the newest is worked on with all cores, older ones are dropped and counted
};

// For measurements, and for machines that the usual values do not fit; nobody needs it to use faceflow.
struct tuning_options {
    // How frames move to a device that has memory of its own. Each can be switched off to measure what it is worth.
    bool cache = true;       // keep uploaded frames by id, so that a later stage need not upload them again
    double cache_ttl = 0.5;  // seconds, 0..3600
    std::size_t cache_bytes = std::size_t{500} * 1000 * 1000;  // most that cached frames take of a device
    bool batch = true;   // crop and mesh all faces of a frame in one go, not one by one
    bool pinned = true;  // stage transfers in page-locked memory
    bool graphs = true;  // fused: launch a pass as one graph, where a device has them, not kernel by kernel
    // fused: frames of all sources that go through the device together, 1..16, or 0: 16 on CUDA, fewer when live sources
    // are, else 1.
    std::int32_t batch_frames = 0;
    // fused: how long a live pass waits for more, although the device could begin, 0..1000.
    double batch_deadline_ms = 0;
    // fused: how many passes are in work side by side on each device, 1..16, or 0: on CUDA 2, or live one for 48 sources, 6
    // at most; on a CPU one for each thread, but live no more than sources.
    std::int32_t lanes = 0;
};

struct options {
    // auto | cpu | cuda[:all|:I,J,...] | emulated[:N]; auto: the first GPU that models can run on, else the CPU. Over several devices
    // sources are spread by their load (pixels a second); one stays where it is while it lasts.
    std::string device = "auto";
    flow_kind flow = flow_kind::fused;
    faceflow::pacing pacing = faceflow::pacing::recorded;

    faceflow::detector detector = faceflow::detector::retinaface;
    // RetinaFace's input, multiples of 32; BlazeFace is always 192x192. Both 0: of the frames' shape, with as many pixels, where that
    // is known beforehand (`faceflow run`), else 640x384; and for pictures the closer look below, at their own size up to 1600.
    std::int32_t detect_width = 640;
    std::int32_t detect_height = 384;
    // A second, closer look at each frame for faces too small for the first; 0: none. Not on CUDA devices.
    std::int32_t detect_fine_width = 0;
    std::int32_t detect_fine_height = 0;
    std::int32_t detect_every = 1;  // detect in every Nth frame; in between faces are followed by their mesh
    std::int32_t max_faces = 100;   // 1..1000 per frame, the best ones
    float min_score = 0.5f;         // of the detector, 0..1
    float min_presence = 0.5f;      // of the landmark model, 0..1; below it a detection is taken for a false one

    bool smooth = false;     // one-euro filter over landmarks, per track
    float focal_length = 0;  // pixels, for head distance; 0: a vertical field of view of 63 degrees

    std::int32_t threads = 0;  // CPU threads for computing; 0: one per core. Half as many may pack frames for a GPU
    std::size_t device_memory = std::size_t{2} << 30;  // cap of the device's pool, bytes

    inference_backend inference = inference_backend::automatic;
    faceflow::precision precision = faceflow::precision::automatic;
    std::filesystem::path engines;  // folder of TensorRT's engines; empty: faceflow/engines in the user's cache

    std::string link = "pcie4";  // that an emulated device hangs on: none | pcie3 | pcie4 | pcie5
    // Have the devices themselves count what crosses, beside the ledger: the driver (CUPTI) on cuda, the copy engines on emulated.
    bool verify_ledger = false;

    // Flows of several processes: one that died is started again, so often within ten seconds; one that sleeps over its work, or is
    // stopped, for so many seconds is ended and started again, and so is one that computes so much longer than its frames were seen
    // to take. Time in which it waits for a processor, or in which this process was stopped itself, does not count.
    std::int32_t stage_restarts = 5;
    double stage_timeout = 0.5;

    std::filesystem::path models;  // folder to look for models in first; empty: the usual places

    tuning_options tuning;
};

}  // namespace faceflow
