// The two models of a run, loaded once and shared by every workspace; on a GPU, once for each stream that runs them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "inference/catalogue.hpp"
#include "inference/session.hpp"
#include "vision/detect.hpp"

namespace faceflow::flow {

inline constexpr std::int32_t mesh_input_size = 192;

struct used_model {
    std::string id, file, sha256;
};

// The largest batches that models are run on.
struct batch_limits {
    std::int32_t frames = 1, faces = 8;
};

// How models run on CUDA devices. The folder is TensorRT's engines'.
struct accelerator {
    std::string inference = "auto";   // see options::inference
    bool half = false, tf32 = false;  // half: with TensorRT
    std::filesystem::path engines;
};

// A model where it runs. On a device that runs models itself, ONNX Runtime keeps the plan of each convolution for the shape that it
// saw last, and drops it for another; and a captured graph launches kernels that belong to the plan. So each size of batch has a
// session of its own, loaded when it is first asked for. One thread at a time.
class placed_model {
public:
    using load_session = std::function<result<std::shared_ptr<inference::session>>(const inference::session& beside)>;
    // One session for all: off such devices, and with TensorRT, whose engines serve a range of batches.
    explicit placed_model(std::shared_ptr<inference::session> all) : first_(std::move(all)) {}
    placed_model(std::shared_ptr<inference::session> first, load_session another)
        : first_(std::move(first)),
          load_(std::move(another)) {}

    // The session that runs batches of n, and no others. Errors of session::load.
    [[nodiscard]] result<std::shared_ptr<inference::session>> for_batch(std::int64_t n);
    // What runs have worked in goes back to the device's pool, but for what graphs use. Waits for the stream.
    void trim() { first_->trim(); }
    // Any of them: they differ in nothing that can be asked.
    [[nodiscard]] const inference::session& any() const noexcept { return *first_; }

private:
    std::shared_ptr<inference::session> first_;
    load_session load_;
    std::map<std::int64_t, std::shared_ptr<inference::session>> by_batch_;
};

struct model_set {
    std::shared_ptr<placed_model> detector, mesh;  // null: not this process's
    vision::detector_kind kind = vision::detector_kind::retinaface;
    std::int32_t detect_width = 0, detect_height = 0;
    float detect_scale = 1, detect_bias = 0;                 // colour 0..1 -> the detector's input
    std::vector<std::vector<std::int64_t>> detector_shapes;  // of its outputs, in their order, for one frame
    // The same detector for a second, larger look at each frame (options::detect_fine_width); null: there is none.
    std::shared_ptr<const model_set> fine;
    std::vector<used_model> used;
    std::shared_ptr<inference::runtime> runtime;
    std::filesystem::path detector_file, mesh_file;  // what a GPU runs
    accelerator by;
    std::vector<std::filesystem::path> engine_folders;  // of TensorRT, when on_streams chose that

    // The same models for work on these streams: on a device that runs models itself, sessions of their own whose weights lie in
    // its pool (7 MB for the two, for each size of batch) and whose runs add to the streams, which outlive them; elsewhere these.
    // With TensorRT, if `by` says so, for batches up to `largest`; errc::unavailable when that was asked for and cannot be had.
    [[nodiscard]] result<model_set> on_streams(stream& of_detector, stream& of_mesh, const batch_limits& largest) const;
    // Nodes that run on the CPU though the model is on a device, a sentence for each model that has some.
    [[nodiscard]] std::vector<std::string> notes() const;

    // The detector's outputs, given the address of each in the session's order.
    [[nodiscard]] vision::detector_output outputs_at(const std::vector<const float*>& addresses) const;
};

// Which of the two a process needs.
struct model_parts {
    bool detector = true, mesh = true;
};

// Loads what the options ask for and checks that shapes are those of the models that faceflow can decode.
[[nodiscard]] result<model_set> load_models(const options& o, const inference::model_store& store,
                                            const std::shared_ptr<inference::runtime>& on, inference::threading how,
                                            model_parts parts = {});

}  // namespace faceflow::flow
