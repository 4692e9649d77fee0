// SPDX-License-Identifier: Apache-2.0
// All options of an engine. The command line and configuration files set the same fields under the same names. An
// invalid value is errc::invalid_argument, and error::option names the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace faceflow {

enum class detector : std::uint8_t {
    retinaface,       // default; its weights are licensed for non-commercial research
    blazeface,        // free for any use; for faces at least some 5 % of the frame's width
    blazeface_short,  // free for any use; for few people near the camera. `faceflow models import` makes it
};

// How stages are connected: in one process or in several.
enum class flow_kind : std::uint8_t {
    fused,     // default: one pass from frame to faces
    threaded,  // one thread per stage
    shared,    // processes that share device memory
    cached,    // processes; the first keeps a frame cache
    copied,    // processes that send one another whole frames
};

// The engine that runs the models.
enum class inference_backend : std::uint8_t {
    automatic,    // native; on CUDA devices, cuda for fp32 and tf32, and ONNX Runtime for a model without a plan
    native,       // faceflow's own kernels; on CUDA devices they need only the driver
    onnxruntime,  // if the build includes it; on CUDA devices the same as cuda
    cuda,         // ONNX Runtime's CUDA provider, if installed
    tensorrt,     // ONNX Runtime's TensorRT provider, if installed
};

// The number format in which models compute.
enum class precision : std::uint8_t {
    automatic,  // fp16 for native on CUDA devices, else fp32
    fp32,
    tf32,  // CUDA devices: products of values with a 10-bit mantissa
    fp16,  // CUDA devices: fp16 products, fp32 sums on tensor cores (native), or TensorRT's choice of kernels
    bf16,  // CPUs with AVX512_BF16: most products in bf16, sums in fp32 (native)
};

// In which frames of a video the detector runs. A face that was found is followed by its mesh from frame to frame: its
// region comes from its last mesh, whether the detector runs or not. Pictures (`faceflow run` of picture files) always
// have a detection each.
enum class detect_mode : std::uint8_t {
    automatic,    // at the start, when a face is lost or in doubt, and every 200 ms for newcomers
    always,       // in every frame
    independent,  // frames are unrelated pictures: each has a detection, no face is followed, every face has a new track
};

// The model of the 478 landmarks.
enum class landmark_model : std::uint8_t {
    attention,  // MediaPipe's attention mesh, which looks at the lips, eyes and irises a second time
    v2,  // that of MediaPipe's FaceLandmarker, with 52 blendshapes; `faceflow models import` makes it from Google's file
};

// Conventions of a head's pose: signs, units and the order of rotations. docs/measures.md has them side by side.
enum class pose_convention : std::uint8_t {
    faceflow,  // face::pose alone
    openface,  // face::openface, too: that of OpenFace 2
};

// The name that the command line and configuration files use; "auto" is automatic.
[[nodiscard]] std::string_view name(flow_kind kind) noexcept;
[[nodiscard]] std::string_view name(inference_backend by) noexcept;
[[nodiscard]] std::string_view name(precision in) noexcept;
[[nodiscard]] std::string_view name(detect_mode when) noexcept;
[[nodiscard]] std::string_view name(landmark_model by) noexcept;
[[nodiscard]] std::string_view name(pose_convention by) noexcept;

// How frames arrive.
enum class pacing : std::uint8_t {
    recorded,  // frames wait: none is dropped, several are processed at once
    live,      // frames do not wait: all cores work on the newest, older ones are dropped and counted
};

// For measurements and unusual machines; normal use needs none of these.
struct tuning_options {
    // How frames move to a device with its own memory. Each can be switched off to measure its effect.
    bool cache = true;       // cache uploaded frames by id, so that later stages need not upload them again
    double cache_ttl = 0.5;  // seconds, 0..3600
    std::size_t cache_bytes = std::size_t{500} * 1000 * 1000;  // limit of cached frames on each device
    bool batch = true;   // process all faces of a frame in one batch, not one by one
    bool pinned = true;  // stage transfers in page-locked host memory
    bool graphs = true;  // fused: launch a pass as one graph where the device has graphs, not kernel by kernel
    // fused: frames of a pass, 1..16. 0: 16 of all sources on CUDA (fewer if there are fewer live sources), else 1; on a
    // CPU that detects in every frame of recordings, two of one source for each thread that it has, up to 8.
    std::int32_t batch_frames = 0;
    // fused: how long a live pass waits for more frames even if the device is free, 0..1000.
    double batch_deadline_ms = 0;
    // fused: passes in work at once on each device, 1..16. 0: on CUDA 2 (live: one per 48 sources, at most 6); on a CPU
    // one per thread (live: at most one per source).
    std::int32_t lanes = 0;
};

struct options {
    // auto | cpu | cuda[:all|:I,J,...] | emulated[:N]; auto: the first GPU that can run the models, else the CPU. With
    // several devices, sources are distributed by load (pixels per second); a source stays on its device for its whole
    // life.
    std::string device = "auto";
    flow_kind flow = flow_kind::fused;
    faceflow::pacing pacing = faceflow::pacing::recorded;

    faceflow::detector detector = faceflow::detector::retinaface;
    // Input of RetinaFace, multiples of 32; BlazeFace's is always 192x192, of its short range 128x128. Both 0: the
    // aspect ratio of the frames, with as many pixels, if it is known beforehand (`faceflow run`), else 640x384.
    std::int32_t detect_width = 640;
    std::int32_t detect_height = 384;
    // RetinaFace: a closer look for small faces. The frame at `tiles` times its own size is searched in overlapping
    // tiles, too. 0: none; up to 8. -1: as suits pictures (`faceflow run`) if the size above is automatic, else none.
    float tiles = 0;
    detect_mode detect = detect_mode::automatic;
    std::int32_t detect_every = 0;  // detect in every Nth frame, up to 1000; 0: as `detect` says
    std::int32_t max_faces = 100;   // 1..1000 per frame, the best ones
    float min_score = 0.5f;         // of the detector, 0..1
    landmark_model landmarks = landmark_model::attention;
    float min_presence = 0.5f;  // of the landmark model, 0..1; a detection below it is rejected

    bool smooth = false;        // one-euro filter on landmarks, keypoints, box and pose, per track
    float smooth_strength = 1;  // 0.1..10: 2 filters, and lags, twice as much
    float focal_length = 0;     // pixels, for head distance; 0: assume a vertical field of view of 63 degrees
    // How many of a track's first seconds are the baseline of face::changes, 0..600; 0: faces have none.
    double baseline = 0;
    // A convention in which faces have their pose in addition to face::pose.
    faceflow::pose_convention pose_convention = faceflow::pose_convention::faceflow;

    std::int32_t threads = 0;  // CPU compute threads; 0: one per core. Half as many may pack frames for a GPU
    std::size_t device_memory = std::size_t{2} << 30;  // cap of the device's pool, bytes

    inference_backend inference = inference_backend::automatic;
    faceflow::precision precision = faceflow::precision::automatic;
    std::filesystem::path engines;  // cache folder of TensorRT engines; empty: faceflow/engines in the user's cache

    std::string link = "pcie4";  // of an emulated device: none | pcie3 | pcie4 | pcie5
    // Have the device count transfers as well, to check the ledger: the driver (CUPTI) on cuda, the copy engines on
    // emulated.
    bool verify_ledger = false;

    // Flows of several processes: a stage process that died is restarted, at most stage_restarts times in ten seconds.
    // One that sleeps or is stopped for stage_timeout seconds while it has work is killed and restarted, and so is one
    // that computes that much longer than its frames have taken so far. Time in which it waits for a processor, or in
    // which this process was itself stopped, does not count.
    std::int32_t stage_restarts = 5;
    double stage_timeout = 0.5;

    std::filesystem::path models;  // folder searched first for models; empty: the default folders

    tuning_options tuning;
};

}  // namespace faceflow
