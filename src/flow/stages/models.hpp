// SPDX-License-Identifier: Apache-2.0
// The two models of a run, loaded once for each device and shared by all that work on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "inference/catalogue.hpp"
#include "inference/network.hpp"
#include "inference/session.hpp"
#include "vision/detect.hpp"

namespace faceflow::flow {

inline constexpr std::int32_t mesh_input_size = 192;

struct used_model {
    std::string id, file, sha256;
};

struct model_set {
    std::shared_ptr<inference::network> detector, mesh;  // null: not this process's
    inference::model_graph detector_graph, mesh_graph;   // how they are used; empty without them
    vision::detector_kind kind = vision::detector_kind::retinaface;
    std::int32_t detect_width = 0, detect_height = 0;
    // The same detector for a second, larger look at each frame (options::detect_fine_width); null: there is none.
    std::shared_ptr<const model_set> fine;
    std::vector<used_model> used;

    // What a person should know of how they run, a sentence each; of what was bound so far.
    [[nodiscard]] std::vector<std::string> notes() const;
    [[nodiscard]] std::vector<std::filesystem::path> engine_folders() const;

    // The detector's raw outputs.
    [[nodiscard]] std::vector<inference::network_output> detector_outputs() const;
    // Those of picture `i` of a batch.
    [[nodiscard]] vision::detector_output outputs_of(const inference::bound_network& bound, std::int32_t i) const;

    // The mesh's.
    [[nodiscard]] std::vector<inference::network_output> mesh_outputs() const;
};

// How the mesh model wants its crops, wherever they are made; after choose_inference.
[[nodiscard]] inference::picture_form crop_form(const options& chosen) noexcept;

// Which of the two a process needs.
struct model_parts {
    bool detector = true, mesh = true;
};

// ONNX Runtime, started when it is first asked for: kernels of our own need none.
using runtime_maker = std::function<result<std::shared_ptr<inference::runtime>>()>;

// Loads what the options ask for, for `d`, and checks that shapes are those of the models that faceflow can decode.
// options::inference says who runs them: on a CUDA device it is not "auto" (choose_inference), on a host it is native or ONNX Runtime.
[[nodiscard]] result<model_set> load_models(const options& o, const inference::model_store& store, device& on,
                                            const runtime_maker& runtime, inference::threading how,
                                            model_parts parts = {});

// Puts who is to run models in place of "auto", and what they compute in; on a host fp32, or bf16 where that is asked
// for. errc::invalid_argument where the two do not go together; errc::unsupported where the CPU has no bf16.
[[nodiscard]] result<void> choose_inference(options& o, bool on_host);

}  // namespace faceflow::flow
