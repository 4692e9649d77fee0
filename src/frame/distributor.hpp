// One source's frames to many consumers, each at its own pace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/queue.hpp"
#include "faceflow/types.hpp"

namespace faceflow {

enum class admission : std::uint8_t {
    accepted,
    out_of_order,    // not newer than the last one accepted
    foreign_source,  // of another source
};

[[nodiscard]] std::string_view name(admission a) noexcept;
[[nodiscard]] std::string_view name(queue_policy policy) noexcept;

struct admission_counts {
    std::uint64_t accepted = 0, out_of_order = 0, foreign_source = 0;
    std::uint64_t gaps = 0;     // places where sequences were left out, before the first frame too
    std::uint64_t missing = 0;  // sequences that were left out
};

// Lets each sequence of a source pass once, and only upwards. Not thread-safe.
class sequence_gate {
public:
    explicit sequence_gate(std::uint32_t source) : source_(source) {}
    admission admit(const frame_id& id) noexcept;
    [[nodiscard]] const admission_counts& counts() const noexcept { return counts_; }

private:
    const std::uint32_t source_;
    std::uint64_t next_ = 0;
    admission_counts counts_;
};

// What became of the frames that were offered to one edge. offered == queued + full + closed; queued ones that `overtaken`
// counts never reached the consumer.
struct edge_counts {
    std::uint64_t offered = 0;
    std::uint64_t queued = 0;
    std::uint64_t overtaken = 0;  // pushed out by a newer frame (latest)
    std::uint64_t full = 0;       // refused (fifo)
    std::uint64_t closed = 0;     // offered after the consumer left
    [[nodiscard]] std::uint64_t dropped() const noexcept { return overtaken + full + closed; }
};

// The consumer's end of an edge. Any number of threads may take from it; it may outlive the distributor.
template <class T>
class edge {
public:
    edge(std::string label, std::size_t capacity, queue_policy policy)
        : label_(std::move(label)),
          policy_(policy),
          queue_(capacity, policy) {}

    // Waits for a frame; nullopt once the edge is closed and drained.
    std::optional<T> take() { return queue_.pop(); }
    std::optional<T> try_take() { return queue_.try_pop(); }
    // The consumer leaves: what is queued can still be taken, a distributor that waits for room goes on.
    void close() { queue_.close(); }

    [[nodiscard]] const std::string& label() const noexcept { return label_; }
    [[nodiscard]] queue_policy policy() const noexcept { return policy_; }
    [[nodiscard]] std::size_t waiting() const { return queue_.size(); }
    [[nodiscard]] edge_counts counts() const {
        const std::lock_guard lock(mutex_);
        return counts_;
    }

private:
    template <class U>
    friend class distributor;

    void offer(const T& item) {
        const push_outcome outcome = queue_.push(item);
        const std::lock_guard lock(mutex_);
        ++counts_.offered;
        switch (outcome) {
            case push_outcome::replaced_oldest: ++counts_.overtaken; [[fallthrough]];
            case push_outcome::queued: ++counts_.queued; break;
            case push_outcome::refused: ++counts_.full; break;
            case push_outcome::closed: ++counts_.closed; break;
        }
    }

    const std::string label_;
    const queue_policy policy_;
    bounded_queue<T> queue_;
    mutable std::mutex mutex_;
    edge_counts counts_;
};

// T is cheap to copy and has a frame_id `id` (frame, host_frame). Every edge sees the frames in the order of their ids.
// Thread-safe: offers happen one after the other; an edge with policy `block` that is full holds up the source, and so all
// edges, until it has room or is closed. Edges may join and leave at any time.
template <class T>
class distributor {
public:
    explicit distributor(std::uint32_t source) : gate_(source) {}
    ~distributor() { close(); }
    distributor(const distributor&) = delete;
    distributor& operator=(const distributor&) = delete;

    [[nodiscard]] std::shared_ptr<edge<T>> add_edge(std::string label, std::size_t capacity, queue_policy policy) {
        auto added = std::make_shared<edge<T>>(std::move(label), capacity, policy);
        const std::lock_guard lock(edges_mutex_);
        if (closed_) added->close();
        edges_.push_back(added);
        return added;
    }

    // Takes an edge out, and closes it.
    void remove_edge(const std::shared_ptr<edge<T>>& leaving) {
        leaving->close();
        const std::lock_guard lock(edges_mutex_);
        std::erase(edges_, leaving);
    }

    // To every edge if the frame is the source's next one; the drops are the edges' to count.
    admission offer(const T& item) {
        const std::lock_guard one_at_a_time(offer_mutex_);
        const admission admitted = admit(item.id);
        if (admitted == admission::accepted) {
            for (const auto& e : edges())
                e->offer(item);
        }
        return admitted;
    }

    // The source ends: consumers drain what they have.
    void close() {
        const std::lock_guard lock(edges_mutex_);
        closed_ = true;
        for (const auto& e : edges_)
            e->close();
    }

    [[nodiscard]] std::vector<std::shared_ptr<edge<T>>> edges() const {
        const std::lock_guard lock(edges_mutex_);
        return edges_;
    }
    [[nodiscard]] admission_counts counts() const {
        const std::lock_guard lock(edges_mutex_);
        return gate_.counts();
    }

private:
    admission admit(const frame_id& id) {
        const std::lock_guard lock(edges_mutex_);
        return gate_.admit(id);
    }

    std::mutex offer_mutex_;          // held while edges block
    mutable std::mutex edges_mutex_;  // never held while edges block
    sequence_gate gate_;
    std::vector<std::shared_ptr<edge<T>>> edges_;
    bool closed_ = false;
};

}  // namespace faceflow
