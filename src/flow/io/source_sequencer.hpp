// SPDX-License-Identifier: Apache-2.0
// Orders a source's frames while several are in work and each may start from the faces of the previous one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#include "faceflow/result.hpp"

namespace faceflow::internal::flow {

// Keeps a State per source, at a stable address. Thread-safe; a State belongs to the frame whose turn it is.
template <class State>
class source_sequencer {
public:
    class source {
    public:
        State state;
        explicit source(State s) : state(std::move(s)) {}

    private:
        friend class source_sequencer;
        std::uint64_t begun_ = 0, finished_ = 0;  // frames
    };

    // Finds a source. `make` creates the state of a new one; its error is returned.
    template <class Make>
    [[nodiscard]] result<source*> find(std::uint32_t number, Make make) {
        const std::lock_guard lock(mutex_);
        auto at = sources_.find(number);
        if (at == sources_.end()) {
            result<State> made = make();
            if (!made) return tl::unexpected(std::move(made.error()));
            at = sources_.try_emplace(number, std::move(*made)).first;
        }
        return &at->second;
    }

    // The number of the source's next frame, from 1. Every frame must be finished, in order.
    [[nodiscard]] std::uint64_t begin(source& s) {
        const std::lock_guard lock(mutex_);
        return ++s.begun_;
    }

    // Blocks until the frame before `number` is finished.
    void wait_for_previous(const source& s, std::uint64_t number) {
        std::unique_lock lock(mutex_);
        some_finished_.wait(lock, [&] { return s.finished_ + 1 >= number; });
    }

    void finish(source& s, std::uint64_t number) {
        {
            const std::lock_guard lock(mutex_);
            s.finished_ = number;
        }
        some_finished_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable some_finished_;
    std::map<std::uint32_t, source> sources_;
};

}  // namespace faceflow::internal::flow
