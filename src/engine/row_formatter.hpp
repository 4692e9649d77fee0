// SPDX-License-Identifier: Apache-2.0
// Turns frames into rows of text: on the thread that brings them, and where that falls behind, on others beside it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/queue.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow {

// One thread at a time puts, drains or destroys.
class row_formatter {
public:
    struct frame {
        frame_faces faces;
        std::shared_ptr<const std::string> input;
    };
    using rows = std::vector<result<std::string>>;  // of one frame, for each output
    // Any thread, several at a time.
    using make_rows = std::function<rows(const frame_faces&, const std::string& input)>;
    // Any thread, one at a time and in the order of put; an error when there was no memory for the rows.
    using take_rows = std::function<void(result<rows>)>;

    // At most so many threads beside the caller's; each is started when frames come faster than the caller can write them.
    row_formatter(std::size_t max_helpers, make_rows make, take_rows take);
    // Waits until all is taken.
    ~row_formatter();
    row_formatter(const row_formatter&) = delete;

    // Waits while many frames are not yet taken.
    void put(const frame_faces& faces, const std::shared_ptr<const std::string>& input);
    // Waits until all is taken.
    void drain();

private:
    using clock = std::chrono::steady_clock;
    struct job {
        std::uint64_t index = 0;
        frame of;
    };

    [[nodiscard]] bool is_behind(clock::time_point now);
    void add_helper();
    void help();
    [[nodiscard]] bool give_to_helper(std::uint64_t index, const frame_faces& faces,
                                      const std::shared_ptr<const std::string>& input);
    [[nodiscard]] result<rows> format(const frame_faces& faces, const std::string& input) const;
    void finish(std::uint64_t index, result<rows> made);

    const std::size_t max_helpers_;
    const make_rows make_;
    const take_rows take_;
    // The caller's own.
    clock::time_point last_put_;
    clock::duration between_puts_ = std::chrono::milliseconds(100);  // a running mean
    clock::duration cost_{0};                                        // of the last frame that the caller wrote
    std::uint64_t next_index_ = 0;

    std::mutex mutex_;
    std::condition_variable taken_;
    std::vector<std::optional<result<rows>>> made_;  // by index, modulo its size: those that are not yet taken
    std::uint64_t to_take_ = 0;
    bool taking_ = false;
    bounded_queue<job> waiting_;
    std::vector<std::thread> helpers_;
};

}  // namespace faceflow
