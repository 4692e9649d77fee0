// SPDX-License-Identifier: Apache-2.0
// Formats frames as rows of text: on the calling thread and, if that falls behind, on helper threads.
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

namespace faceflow::internal {

// Call put, drain and the destructor from one thread at a time.
class row_formatter {
public:
    struct frame {
        frame_faces faces;
        std::shared_ptr<const std::string> input;
    };
    using rows = std::vector<result<std::string>>;  // of one frame, one per output
    // Called on any thread, concurrently.
    using make_rows = std::function<rows(const frame_faces&, const std::string& input)>;
    // Called on any thread, one call at a time and in the order of put; an error when there was no memory for the rows.
    using take_rows = std::function<void(result<rows>)>;

    // At most `max_helpers` threads besides the caller's; each is started when frames come faster than they are
    // written.
    row_formatter(std::size_t max_helpers, make_rows make, take_rows take);
    // Blocks until all rows are taken.
    ~row_formatter();
    row_formatter(const row_formatter&) = delete;

    // Blocks while many frames are not yet taken.
    void put(const frame_faces& faces, const std::shared_ptr<const std::string>& input);
    // Blocks until all rows are taken.
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
    // Used only by the caller.
    clock::time_point last_put_;
    clock::duration between_puts_ = std::chrono::milliseconds(100);  // a running mean
    clock::duration cost_{0};                                        // of the last frame that the caller formatted
    std::uint64_t next_index_ = 0;

    std::mutex mutex_;
    std::condition_variable taken_;
    std::vector<std::optional<result<rows>>> made_;  // by index, modulo its size: rows not yet taken
    std::uint64_t to_take_ = 0;
    bool taking_ = false;
    bounded_queue<job> waiting_;
    std::vector<std::thread> helpers_;
};

}  // namespace faceflow::internal
