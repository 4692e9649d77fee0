// SPDX-License-Identifier: Apache-2.0
// What stages of the flow `shared` have to go by besides their calls.
#pragma once

#include <memory>
#include <vector>

#include "flow/multi_process/stage_executor.hpp"
#include "ipc/control_page.hpp"

namespace faceflow::flow {

// The control pages of a line, in the order in which they are passed at the start.
enum class shared_page : std::uint8_t { capture, detect, region, landmark };
inline constexpr std::size_t shared_page_count = 4;

// Frames that a line has in work at once at most, each in a place with memory of its own.
inline constexpr std::uint32_t frames_in_flight = 4;

struct shared_pages {
    std::vector<ipc::control_page> all;
    shared_page own = shared_page::detect;  // this stage's, writable
    [[nodiscard]] const ipc::control_page& of(shared_page p) const { return all[static_cast<std::size_t>(p)]; }
    [[nodiscard]] ipc::control_page& mine() { return all[static_cast<std::size_t>(own)]; }
};

// Stages that work in place in the memory of the owner: flow `shared`. `pages` outlive the work.
[[nodiscard]] result<std::unique_ptr<stage_executor>> make_shared_executor(stage_context& context, shared_pages& pages);

}  // namespace faceflow::flow
