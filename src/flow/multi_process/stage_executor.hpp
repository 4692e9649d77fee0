// SPDX-License-Identifier: Apache-2.0
// The work of a stage process, whichever flow it serves.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/unique_fd.hpp"
#include "flow/multi_process/stage_context.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "frame/frame_cache.hpp"

namespace faceflow::flow {

// What goes back with a reply: parts that stay where they are until the next call.
struct stage_answer {
    stage_reply reply;
    std::vector<std::span<const std::byte>> payload;
};

class stage_executor {
public:
    virtual ~stage_executor() = default;

    // Memory that the owner shares from now on, or no longer.
    [[nodiscard]] virtual result<void> map(const slab_facts& facts, unique_fd memory) = 0;
    virtual void unmap(std::uint32_t number) = 0;

    // Where the `bytes` of the call's payload should be received: as many, in order. An error refuses the call.
    [[nodiscard]] virtual result<std::span<std::byte>> expect(const stage_call& call, std::size_t bytes) = 0;
    // `detections` as they came with the call; the payload lies where `expect` said.
    [[nodiscard]] virtual result<stage_answer> perform(const stage_call& call,
                                                       std::span<const vision::detection> detections) = 0;

    [[nodiscard]] virtual frame_cache_counts cache() const { return {}; }
};

// Stages that are sent pixels and crops and send back what they made of them: flows `copied` and `cached`.
[[nodiscard]] result<std::unique_ptr<stage_executor>> make_message_executor(stage_context& context);

}  // namespace faceflow::flow
