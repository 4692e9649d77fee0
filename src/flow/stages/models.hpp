// SPDX-License-Identifier: Apache-2.0
// The models of a run, loaded once per device and shared by everything that works on it.
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
#include "vision/sampling.hpp"

namespace faceflow::internal::flow {

// The crops that the mesh model takes: their pixels per side, and their form.
struct crop_shape {
    std::int32_t size = 192;
    inference::picture_form form;

    [[nodiscard]] std::size_t bytes(std::int32_t crops = 1) const noexcept {
        return static_cast<std::size_t>(crops) * static_cast<std::size_t>(size) * static_cast<std::size_t>(size) *
               vision::bytes_per_pixel(form.format);
    }
};

struct used_model {
    std::string id, file, sha256;
};

struct model_set {
    std::shared_ptr<inference::network> detector, mesh;                    // null: this process does not need it
    std::shared_ptr<inference::network> blendshapes;                       // null, too, where the mesh has none
    inference::model_graph detector_graph, mesh_graph, blendshapes_graph;  // how to use them; empty without the model
    vision::detector_kind kind = vision::detector_kind::retinaface;
    std::int32_t detect_width = 0, detect_height = 0;
    // The same detector for tiles of a frame (options::tiles); null: none.
    std::shared_ptr<const model_set> of_tiles;
    std::vector<used_model> used;

    // Notes for the user on how the models run, one sentence each, for the models bound so far.
    [[nodiscard]] std::vector<std::string> notes() const;
    [[nodiscard]] std::vector<std::filesystem::path> engine_folders() const;

    // The detector's anchors per cell in the level of that stride.
    [[nodiscard]] std::int32_t anchors_in_cell(std::int32_t stride) const;
    // Its raw outputs.
    [[nodiscard]] std::vector<inference::network_output> detector_outputs() const;
    // The outputs of picture `i` of a batch.
    [[nodiscard]] vision::detector_output outputs_of(const inference::bound_network& bound, std::int32_t i) const;

    // The mesh model's raw outputs.
    [[nodiscard]] std::vector<inference::network_output> mesh_outputs() const;
    // Needs the mesh model.
    [[nodiscard]] crop_shape crops() const { return {mesh_graph.size, mesh->form()}; }
    [[nodiscard]] std::vector<inference::network_output> blendshapes_outputs() const;
};

// The crops that the chosen mesh model takes, by its entry in the catalogue; call it after choose_inference.
[[nodiscard]] result<crop_shape> crops_for(const options& chosen, const inference::model_store& store);

// Which models a process needs.
struct model_parts {
    bool detector = true, mesh = true;
};

// Starts ONNX Runtime on first use; native kernels do not need it.
using runtime_maker = std::function<result<std::shared_ptr<inference::runtime>>()>;

struct model_loading {
    const options& chosen;
    const inference::model_store& store;
    device& on;
    runtime_maker runtime;
    inference::threading how;
    model_parts parts = {};
};

// Loads the models that the options select, and checks their shapes against those that faceflow can decode.
// options::inference names the engine: on a CUDA device not "auto" (see choose_inference), on a host native or ONNX
// Runtime.
[[nodiscard]] result<model_set> load_models(const model_loading& with);

// Replaces "auto" in options::inference and options::precision by a choice; on a host the precision is fp32, or bf16 on
// request. errc::invalid_argument if the two do not go together; errc::unsupported if the CPU lacks bf16.
[[nodiscard]] result<void> choose_inference(options& o, bool on_host);

}  // namespace faceflow::internal::flow
