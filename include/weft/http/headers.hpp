// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/http/detail/field_block.hpp>
#include <weft/http/field.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace weft::http {

/// One field of a message, as views into its `headers`.
struct field_view {
    std::string_view name;   ///< as it was spelled
    std::string_view value;  ///< without the white space around it
    field id = field::other;
};

/// The fields of a message: in order, their spelling kept, looked up without regard to case; a name
/// may come several times.
///
///     headers h;
///     h.add("Accept", "text/html");
///     h.set(field::content_type, "text/plain");
///     for (auto [name, value, id] : h) fmt::print("{}: {}\n", name, value);
///     for (std::string_view coding : h.list("Accept-Encoding")) ...  // of all lines
///
/// One pointer in size; empty, it owns nothing. Text and index share one allocation, which also
/// holds the start line of a message that was parsed. Every insertion is checked (RFC
/// 9110 5.1, 5.5): a name must be a token and a value must not have control characters, so no field
/// can smuggle another or end the head; a violation throws failure(invalid_input) and changes
/// nothing. Arguments may point into the same headers. Views and iterators that were handed out are
/// valid until the next change. Moving from the headers of a message leaves that message its start
/// line. Not for use from two threads while one of them changes it.
class headers {
  public:
    class iterator;
    class matches;
    class elements;
    using value_type = field_view;

    headers() noexcept = default;
    /// As `add` for each pair.
    headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);
    headers(const headers&);
    headers(headers&&) noexcept;
    headers& operator=(const headers& other) { return *this = headers(other); }
    headers& operator=(headers&&);
    ~headers() {
        if (block_) detail::field_block::destroy(block_);
    }

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// How many fields, repeated ones counted each.
    [[nodiscard]] std::size_t size() const noexcept { return block_ ? block_->count : 0; }

    /// Appends a field, beside others of that name.
    void add(std::string_view name, std::string_view value);
    void add(field name, std::string_view value);
    /// Replaces the value of the first field of that name and erases the others, or appends.
    void set(std::string_view name, std::string_view value);
    void set(field name, std::string_view value);
    /// Removes all fields of that name; gives how many there were.
    std::size_t erase(std::string_view name) noexcept;
    std::size_t erase(field name) noexcept;
    /// Removes all fields.
    void clear() noexcept;
    /// Makes room for `fields` more fields with `text` bytes of names and values, in one step.
    void reserve(std::size_t fields, std::size_t text);

    /// The value of the first field of that name.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
    [[nodiscard]] std::optional<std::string_view> get(field name) const noexcept;
    [[nodiscard]] bool contains(std::string_view name) const noexcept;
    /// One bit test.
    [[nodiscard]] bool contains(field name) const noexcept {
        return block_ && name != field::other && block_->has(name);
    }
    [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
    [[nodiscard]] std::size_t count(field name) const noexcept;

    /// All fields of that name, in order: a range of `field_view`. `name` must outlive it.
    [[nodiscard]] matches get_all(std::string_view name) const noexcept;
    [[nodiscard]] matches get_all(field name) const noexcept;

    /// The elements of a comma-separated list (RFC 9110 5.6.1) over all fields of that name: a
    /// range of std::string_view, trimmed, without empty elements; commas in quoted strings do not
    /// split. `name` must outlive it.
    [[nodiscard]] elements list(std::string_view name) const noexcept;
    [[nodiscard]] elements list(field name) const noexcept;

    /// Whether the list has this element, without regard
    /// to case: `h.has_token(field::connection, "close")`.
    [[nodiscard]] bool has_token(field name, std::string_view token) const noexcept;
    [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;

    /// The value of Content-Length when there is exactly one, and it is a number.
    [[nodiscard]] std::optional<std::uint64_t> content_length() const noexcept;

    /// The i-th field; i < size().
    [[nodiscard]] field_view operator[](std::size_t i) const noexcept;
    [[nodiscard]] inline iterator begin() const noexcept;
    [[nodiscard]] inline iterator end() const noexcept;

    friend void swap(headers& a, headers& b) {
        headers moved = std::move(a);
        a = std::move(b);
        b = std::move(moved);
    }

  private:
    friend class request_head;
    friend class response_head;
    friend struct head_access;

    explicit headers(detail::field_block* block) noexcept : block_(block) {}
    [[nodiscard]] std::size_t find(field id, std::string_view name,
                                   std::size_t from) const noexcept;
    void insert(field id, std::string_view name, std::string_view value);
    void replace(field id, std::string_view name, std::string_view value);
    std::size_t remove(field id, std::string_view name, std::size_t from) noexcept;
    void set_line(std::string_view line);
    detail::field_block& edit(detail::block_kind kind);

    detail::field_block* block_ = nullptr;
};

/// Goes over the fields in order.
class headers::iterator {
  public:
    using iterator_concept = std::random_access_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = field_view;
    using reference = field_view;
    using pointer = void;
    using difference_type = std::ptrdiff_t;

    iterator() noexcept = default;
    field_view operator*() const noexcept { return (*of_)[index_]; }
    field_view operator[](difference_type n) const noexcept {
        return (*of_)[index_ + static_cast<std::size_t>(n)];
    }
    iterator& operator++() noexcept { return ++index_, *this; }
    iterator operator++(int) noexcept { return {of_, index_++}; }
    iterator& operator--() noexcept { return --index_, *this; }
    iterator operator--(int) noexcept { return {of_, index_--}; }
    iterator& operator+=(difference_type n) noexcept {
        return index_ += static_cast<std::size_t>(n), *this;
    }
    iterator& operator-=(difference_type n) noexcept { return *this += -n; }
    friend iterator operator+(iterator i, difference_type n) noexcept { return i += n; }
    friend iterator operator+(difference_type n, iterator i) noexcept { return i += n; }
    friend iterator operator-(iterator i, difference_type n) noexcept { return i -= n; }
    friend difference_type operator-(const iterator& a, const iterator& b) noexcept {
        return static_cast<difference_type>(a.index_) - static_cast<difference_type>(b.index_);
    }
    friend bool operator==(const iterator& a, const iterator& b) noexcept {
        return a.index_ == b.index_;
    }
    friend auto operator<=>(const iterator& a, const iterator& b) noexcept {
        return a.index_ <=> b.index_;
    }

  private:
    friend class headers;
    iterator(const headers* of, std::size_t index) noexcept : of_(of), index_(index) {}
    const headers* of_ = nullptr;
    std::size_t index_ = 0;
};

/// The fields of one name.
class headers::matches {
  public:
    class iterator {
      public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::input_iterator_tag;
        using value_type = field_view;
        using reference = field_view;
        using pointer = void;
        using difference_type = std::ptrdiff_t;

        iterator() noexcept = default;
        field_view operator*() const noexcept { return (*range_->of_)[index_]; }
        iterator& operator++() noexcept {
            index_ = range_->of_->find(range_->id_, range_->name_, index_ + 1);
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator old = *this;
            ++*this;
            return old;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.index_ == b.index_;
        }

      private:
        friend class matches;
        iterator(const matches* range, std::size_t index) noexcept : range_(range), index_(index) {}
        const matches* range_ = nullptr;
        std::size_t index_ = 0;
    };

    [[nodiscard]] iterator begin() const noexcept { return {this, of_->find(id_, name_, 0)}; }
    [[nodiscard]] iterator end() const noexcept { return {this, of_->size()}; }
    [[nodiscard]] bool empty() const noexcept { return begin() == end(); }

  private:
    friend class headers;
    matches(const headers* of, field id, std::string_view name) noexcept
        : of_(of), id_(id), name_(name) {}
    const headers* of_;
    field id_;
    std::string_view name_;
};

/// The elements of a comma-separated list.
class headers::elements {
  public:
    class iterator {
      public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::forward_iterator_tag;
        using value_type = std::string_view;
        using reference = const std::string_view&;
        using pointer = const std::string_view*;
        using difference_type = std::ptrdiff_t;

        iterator() noexcept = default;
        const std::string_view& operator*() const noexcept { return element_; }
        const std::string_view* operator->() const noexcept { return &element_; }
        iterator& operator++() noexcept {
            advance();
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator old = *this;
            advance();
            return old;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.index_ == b.index_ && a.element_.data() == b.element_.data();
        }

      private:
        friend class elements;
        explicit iterator(const elements* range) noexcept;
        void advance() noexcept;
        const headers* of_ = nullptr;
        field id_ = field::other;
        std::string_view name_;
        std::size_t index_ = static_cast<std::size_t>(-1);
        std::string_view rest_;
        std::string_view element_;
    };

    [[nodiscard]] iterator begin() const noexcept { return iterator(this); }
    [[nodiscard]] iterator end() const noexcept { return {}; }
    [[nodiscard]] bool empty() const noexcept { return begin() == end(); }

  private:
    friend class headers;
    elements(const headers* of, field id, std::string_view name) noexcept
        : of_(of), id_(id), name_(name) {}
    const headers* of_;
    field id_;
    std::string_view name_;
};

inline headers::iterator headers::begin() const noexcept { return {this, 0}; }
inline headers::iterator headers::end() const noexcept { return {this, size()}; }

/// Takes the first element off a comma-separated list: trimmed, "" when it was empty or nothing is
/// left. Commas in quoted strings do not split (RFC 9110 5.6.4).
std::string_view take_list_element(std::string_view& rest) noexcept;

}  // namespace weft::http
