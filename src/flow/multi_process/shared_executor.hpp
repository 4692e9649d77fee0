// SPDX-License-Identifier: Apache-2.0
// What stages of the flow `shared` need besides their calls.
#pragma once

#include <memory>
#include <vector>

#include "flow/multi_process/stage_executor.hpp"
#include "ipc/control_page.hpp"

namespace faceflow::internal::flow {

// The control pages of a pipeline, in the order in which they are passed at the start.
enum class shared_page : std::uint8_t { capture, detect, region, landmark };
inline constexpr std::size_t shared_page_count = 4;

// Limit of frames in work per pipeline, each in a buffer with its own memory.
inline constexpr std::uint32_t frames_in_flight = 4;

struct shared_pages {
    std::vector<ipc::control_page> all;
    shared_page own = shared_page::detect;  // this stage's own, writable page
    [[nodiscard]] const ipc::control_page& of(shared_page p) const { return all[static_cast<std::size_t>(p)]; }
    [[nodiscard]] ipc::control_page& mine() { return all[static_cast<std::size_t>(own)]; }
};

// Makes an executor for stages that work in place in the owner's memory: flow `shared`. `pages` outlives the work.
[[nodiscard]] result<std::unique_ptr<stage_executor>> make_shared_executor(stage_context& context, shared_pages& pages);

}  // namespace faceflow::internal::flow
