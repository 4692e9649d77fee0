// SPDX-License-Identifier: Apache-2.0
// Samples graphics cards during a run: momentary figures, and finally their mean and maximum.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace faceflow::internal {

enum class gpu_figure : std::uint8_t {
    busy,          // percent of the last second or less in which a kernel ran
    memory_busy,   // percent of that time in which device memory was read or written
    memory_used,   // bytes used by all processes, including what the driver reserves
    memory_total,  // bytes
    temperature,   // degrees Celsius
    up,            // bytes per second over PCIe, into the card
    down,          // and out of the card
    power,         // watts
};
inline constexpr std::size_t gpu_figure_count = 8;

// One reading. A figure that the card, driver or container does not provide is absent.
using gpu_reading = std::array<std::optional<double>, gpu_figure_count>;

// The source of one card's readings.
class gpu_readings {
public:
    gpu_readings() = default;
    virtual ~gpu_readings() = default;
    gpu_readings(const gpu_readings&) = delete;
    gpu_readings& operator=(const gpu_readings&) = delete;

    // May take a tenth of a second. Call it from one thread at a time.
    [[nodiscard]] virtual gpu_reading read() = 0;
};

struct gpu_usage {
    struct range {
        double mean = 0, max = 0;
    };
    std::string name;
    std::uint64_t readings = 0;
    std::array<std::optional<range>, gpu_figure_count> figures;  // over the readings that had the figure

    [[nodiscard]] const std::optional<range>& of(gpu_figure f) const { return figures[static_cast<std::size_t>(f)]; }
};

// Reads all cards on its own thread, first after one period, then every period, and once more at the end. A card's
// figures cover the preceding time, so there is no reading at the start.
class gpu_sampler {
public:
    struct card {
        std::string name;
        std::unique_ptr<gpu_readings> from;  // null: no readings, but the card is in the result
    };
    explicit gpu_sampler(std::vector<card> cards, std::chrono::nanoseconds period = std::chrono::seconds(1));
    ~gpu_sampler();
    gpu_sampler(const gpu_sampler&) = delete;

    // Stops reading. Returns one entry per card, in the given order. Call it once.
    [[nodiscard]] std::vector<gpu_usage> finish();

private:
    struct running {
        double sum = 0, max = 0;
        std::uint64_t count = 0;
    };
    struct watched {
        card what;
        std::uint64_t readings = 0;
        std::array<running, gpu_figure_count> figures;
    };
    void work();
    void read_all();
    void stop();

    const std::chrono::nanoseconds period_;
    std::vector<watched> cards_;  // used only by the thread until it has ended
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace faceflow::internal
