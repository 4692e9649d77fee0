// The device memory that one pass needs, allocated once, with the models bound to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/models.hpp"
#include "inference/session.hpp"
#include "vision/records.hpp"

namespace faceflow::flow {

// Faces that are cropped and meshed in one go for each frame of a pass; more take several goes.
inline constexpr std::int32_t mesh_batch = 8;
// And for a whole pass, where many go at once; bounds the memory that the mesh model works in.
inline constexpr std::int32_t most_mesh_batch = 64;

// How much goes through the stages together.
struct pass_shape {
    std::int32_t frames = 1;
    std::int32_t max_faces = 100;  // per frame
    std::int32_t mesh_faces = mesh_batch;

    [[nodiscard]] std::size_t set_bytes() const;  // of one frame's detection set
    [[nodiscard]] std::size_t results_bytes() const;
    // Records that there is room for in those.
    [[nodiscard]] std::int32_t records() const { return frames * max_faces + mesh_faces - 1; }  // of the pass's
};

class mesh_memory;

// For which numbers of inputs a model is bound.
enum class batching : std::uint8_t {
    exact,     // every number, all bound at once: the host's kernels, which need no setting up
    in_steps,  // a few sizes, each bound when it is first run: a GPU, where each costs memory and seconds
};
[[nodiscard]] batching batching_on(const device& on) noexcept;

// A model bound to the first n of a row of inputs, for the numbers n that it will be asked to run on.
class batched_model {
public:
    using bind_batch = std::function<result<inference::binding>(std::int64_t n)>;
    // For up to `most`. In steps: those of `sizes` (ascending) that are below `most`, and `most`. Errors of `bind`.
    [[nodiscard]] static result<batched_model> create(batching how, std::span<const std::int32_t> sizes,
                                                      std::int32_t most, bind_batch bind);

    // The binding of the smallest batch that holds n, 1 <= n <= most. With `exact`.
    inference::binding& holding(std::int32_t n) { return *batch_holding(n).bound; }

    // Adds a run to `on`, always the same stream, on the smallest batch that holds n; in steps on the smallest of those that were
    // run before, if there is one: to set another up would take longer than it saves. With `graphs`, and where the device has
    // them, from the third run on as the launch of a graph; a batch that gives none, after a few tries, is run as before.
    void add_run(stream& on, std::int32_t n, bool graphs);

    // In steps: runs the batch that holds `usual`, or every one, a few times on whatever lies in its input. What it sets up at its
    // first runs, and its graph, are then there before the first frame comes. Adds to the stream and returns.
    void warm_up(stream& on, std::int32_t usual, bool every, bool graphs);

    // Why a batch runs without a graph although one was wanted; empty while there is no such batch.
    [[nodiscard]] const std::string& graph_refusal() const noexcept { return refusal_; }

private:
    struct batch {
        std::int32_t size = 0;
        std::optional<inference::binding> bound = std::nullopt;
        std::unique_ptr<graph> captured = nullptr;  // goes before what it runs
        std::int32_t runs = 0;                      // without a graph
        std::int32_t captures = 0;                  // that failed
    };
    batch& batch_holding(std::int32_t n);
    void add_run(stream& on, batch& b, bool graphs);
    result<void> bind(batch& b) const;
    void capture(stream& on, batch& b);

    batching how_ = batching::exact;
    bind_batch bind_;
    std::vector<batch> batches_;  // the smallest first
    std::string refusal_;
};

// A batch that was never run before holds up its first pass, which a live source notices; and its weights go up, which no ledger
// counts.
[[nodiscard]] inline bool sets_up_every_batch(const options& o) {
    return o.pacing == pacing::live || o.verify_ledger;
}

// batched_model::warm_up for the mesh model, as `chosen` would have it run.
void warm_up(stream& on, mesh_memory& mesh, std::int32_t usual, bool every, const options& chosen);

// A sentence for people about a model that a GPU runs without a graph.
[[nodiscard]] std::string without_graph(const batched_model& model);

// What the detect stage needs: the detector's input and outputs and the scratch of decoding, for each frame.
class detector_memory {
public:
    [[nodiscard]] static result<detector_memory> create(device& on, const model_set& models, std::int32_t frames);

    float* input() const { return input_.as<float>(); }
    vision::detect_scratch* scratch() const { return scratch_.as<vision::detect_scratch>(); }
    // Of frame i of the batch.
    vision::detector_output outputs(const model_set& models, std::int32_t i) const;
    // The detector, bound to the first frames.
    batched_model& model() { return model_; }
    // Of the second look; null: there is none.
    detector_memory* fine() const { return fine_.get(); }

private:
    device_buffer input_, scratch_;
    std::vector<device_buffer> outputs_;
    batched_model model_;
    std::unique_ptr<detector_memory> fine_;
};

// What the landmark stage needs: crops, and the mesh model's outputs.
class mesh_memory {
public:
    // The crops may lie elsewhere: `crops` is then a device address that outlives this.
    [[nodiscard]] static result<mesh_memory> create(device& on, const model_set& models, std::int32_t faces,
                                                    float* crops = nullptr);
    static std::size_t crops_bytes(std::int32_t faces);
    // What the mesh model makes of so many: landmarks, and scores.
    static std::size_t landmarks_bytes(std::int32_t faces);
    static std::size_t scores_bytes(std::int32_t faces);

    std::int32_t capacity() const { return static_cast<std::int32_t>(alone_.size()); }
    float* crops() const { return crops_; }
    float* landmarks() const { return landmarks_.as<float>(); }
    float* scores() const { return scores_.as<float>(); }

    // Not on a GPU: the mesh model bound to the first n crops; 1 <= n <= capacity.
    inference::binding& model(std::int32_t n) { return model_.holding(n); }
    batched_model& model() { return model_; }
    // On crop i alone: what is left when batching is switched off.
    [[nodiscard]] result<void> run_alone(std::int32_t i);

private:
    device_buffer own_crops_, landmarks_, scores_;
    float* crops_ = nullptr;
    using bind_some = std::function<result<inference::binding>(std::int64_t first, std::int64_t count)>;
    bind_some bind_;
    batched_model model_;
    std::vector<std::optional<inference::binding>> alone_;  // bound when they are first run
};

// All of a pass on one device.
class workspace {
public:
    [[nodiscard]] static result<workspace> create(device& on, const model_set& models, const pass_shape& shape);

    const pass_shape& shape() const { return shape_; }
    detector_memory& detector() { return detector_; }
    mesh_memory& mesh() { return mesh_; }
    // Where the detector's faces of frame i of the pass go.
    vision::detection_set* faces(std::int32_t i) const;
    vision::pass_results results(std::int32_t frames) const { return {results_.as<vision::result_header>(), frames}; }

private:
    pass_shape shape_;
    detector_memory detector_;
    mesh_memory mesh_;
    device_buffer faces_, results_;
};

}  // namespace faceflow::flow
