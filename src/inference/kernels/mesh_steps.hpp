// SPDX-License-Identifier: Apache-2.0
// Shared by the steps of the attention mesh, fused or not.
#pragma once

#include "inference/kernels/builder.hpp"

namespace faceflow::internal::inference::kernels {

// The offsets of a mesh's numbers in the store.
struct attention_numbers {
    std::size_t grid = 0, spans = 0;  // spans: of all heads, one after another
};
struct geometry_numbers {
    std::size_t rest = 0;
    std::array<std::size_t, 2> iris{};
};
[[nodiscard]] attention_numbers pack_attention(weight_store& to, const plan& p, const plan_attention& a);
[[nodiscard]] geometry_numbers pack_geometry(weight_store& to, const plan& p, const plan_landmarks& l);

[[nodiscard]] attention_parameters attention_of(const plan_attention& a, const attention_numbers& n,
                                                const binding_memory& m);
// `map`: the map that the attention samples.
[[nodiscard]] mesh_geometry geometry_of(const plan_landmarks& l, const geometry_numbers& n, tensor_index map,
                                        const binding_memory& m);
// The step that computes these transforms; null if there is none.
[[nodiscard]] const plan_attention* attention_for(const plan& p, tensor_index transforms);

}  // namespace faceflow::internal::inference::kernels
