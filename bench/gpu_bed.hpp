// SPDX-License-Identifier: Apache-2.0
// A device with a stream to measure on, and memory that lasts as long.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/back_end.hpp"
#include "backends/open_devices.hpp"
#include "costs.hpp"
#include "vision/kernels.hpp"

namespace faceflow::internal::bench {

template <class T>
T value_or_exit(result<T> r) {
    if (r) {
        if constexpr (!std::is_void_v<T>) return std::move(*r);
    } else {
        fmt::print(stderr, "gpu: {}\n", r.error().message);
        std::exit(1);
    }
}

struct row {
    std::string name;
    double us = 0;
    kernel_cost cost;
    [[nodiscard]] double bytes_per_second() const { return cost.bytes / us * 1e6; }
    [[nodiscard]] double flops_per_second() const { return cost.flops / us * 1e6; }
};

// The models' largest batches need more than a run does; other devices take theirs from the host.
inline std::size_t pool_bytes(const std::string& device_name) {
    return std::size_t{device_name.starts_with("cuda") ? 8U : 2U} << 30;
}

class bed {
public:
    explicit bed(const std::string& device_name, double seconds)
        : seconds_(seconds),
          devices_(value_or_exit(open_devices({device_name, pool_bytes(device_name), "pcie4"}))),
          on_(*devices_.front()),
          stream_(value_or_exit(on_.make_stream("bench"))),
          done_(value_or_exit(on_.make_event())),
          work_(make_kernels(on_)) {}
    ~bed() {
        for (const host_block& b : staging_)
            on_.release_host(b);
    }
    bed(const bed&) = delete;

    device& on() { return on_; }
    stream& work_stream() { return *stream_; }
    vision::kernels& work() { return *work_; }

    std::byte* memory(std::size_t bytes) {
        buffers_.push_back(value_or_exit(device_buffer::allocate(on_.pool(), bytes)));
        return buffers_.back().data();
    }
    host_block staging(std::size_t bytes) {
        staging_.push_back(value_or_exit(on_.allocate_host(bytes, true)));
        std::memset(staging_.back().data, 1, bytes);
        return staging_.back();
    }
    std::byte* upload(const void* from, std::size_t bytes) {
        std::byte* const to = memory(bytes);
        const host_block host = value_or_exit(on_.allocate_host(bytes, true));
        std::memcpy(host.data, from, bytes);
        value_or_exit(transfer(*stream_, direction::host_to_device, to, host, bytes, {}));
        wait();
        on_.release_host(host);
        return to;
    }
    template <class T>
    T* upload(const std::vector<T>& values) {
        return reinterpret_cast<T*>(upload(values.data(), values.size() * sizeof(T)));
    }

    // Median time of what `add` adds, in microseconds: spans of a millisecond and more, each of many in a row, so that neither
    // the span nor a launch's own overhead on an idle device is in it.
    double measure(const std::function<void(std::size_t i)>& add) {
        std::size_t turn = 0, in_a_row = 1;
        const auto span_us = [&](std::size_t n) {
            double us = 0;
            stream_->begin_span();
            for (std::size_t i = 0; i < n; ++i)
                add(turn++);
            stream_->end_span(
                [&us](auto begin, auto end) { us = std::chrono::duration<double, std::micro>(end - begin).count(); });
            wait();
            return us / static_cast<double>(n);
        };
        span_us(1);
        while (span_us(in_a_row) * static_cast<double>(in_a_row) < 1000 && in_a_row < 4096)
            in_a_row *= 2;
        std::vector<double> all;
        const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_);
        do {
            all.push_back(span_us(in_a_row));
        } while (std::chrono::steady_clock::now() < until || all.size() < 3);
        std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
        return all[all.size() / 2];
    }

    row kernel(std::string name, const kernel_cost& cost, const std::function<void(std::size_t i)>& add) {
        return {std::move(name), measure(add), cost};
    }

    void wait() { value_or_exit(synchronise(*stream_, *done_, {})); }

private:
    const double seconds_;
    const std::vector<std::unique_ptr<device>> devices_;
    device& on_;
    const std::unique_ptr<stream> stream_;
    const std::unique_ptr<event> done_;
    const std::unique_ptr<vision::kernels> work_;
    std::vector<device_buffer> buffers_;
    std::vector<host_block> staging_;
};

}  // namespace faceflow::internal::bench
